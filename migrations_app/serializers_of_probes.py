"""The JSON of what a migration's probes found, and of the disks that it copies."""

from typing import Any

from rest_framework import serializers

F = serializers
IMAGE_STATES = ["planned", "creating", "created", "copied", "removed", "left"]
"""How far an image at the destination is; disks.py."""


class AnswersSerializer(serializers.Serializer[Any]):
    """What one probe found."""

    sent = F.IntegerField()
    lost = F.IntegerField()
    refused = F.IntegerField(required=False, help_text="The guest said that the port is closed.")
    longest_gap_ms = F.FloatField(allow_null=True)
    strip = F.ListField(child=F.IntegerField(), help_text="1 answered, 0 lost, 2 refused; the newest last.")
    switch_over = F.ListField(
        child=F.IntegerField(),
        allow_null=True,
        required=False,
        help_text="Between which two places of the strip the switch-over lies.",
    )


class PingSerializer(AnswersSerializer):
    address = F.IPAddressField(allow_null=True)


class ProbeSerializer(AnswersSerializer):
    name = F.ChoiceField(choices=["tcp", "ping", "arp"])
    title = F.CharField(help_text="What is probed, and from where.")
    error = F.CharField(help_text="Why there are no figures.")


class ObserverSerializer(serializers.Serializer[Any]):
    host = F.CharField()
    role = F.ChoiceField(choices=["third", "source"], help_text="source: there was no third host to probe from.")


class AnnouncedSerializer(serializers.Serializer[Any]):
    at = F.DateTimeField()
    kind = F.CharField(help_text="arp: by the guest itself; rarp: by QEMU for it.")
    mac = F.CharField()


class SwitchPortSerializer(serializers.Serializer[Any]):
    mac = F.CharField()
    host = F.CharField()
    port = F.CharField(help_text="By which the bridges of that host reach the guest after the move.")


class StreamSerializer(serializers.Serializer[Any]):
    """A connection that was seen to carry the guest as it left the source."""

    port = F.IntegerField()
    what = F.ChoiceField(choices=["memory", "disks"])
    encrypted = F.BooleanField(help_text="It began with a TLS handshake.")


class ContinuitySerializer(serializers.Serializer[Any]):
    """What other probes than the console's ping found; empty where none ran."""

    observer = ObserverSerializer(required=False, allow_null=True)
    probes = ProbeSerializer(many=True, required=False)
    announced = AnnouncedSerializer(required=False, allow_null=True)
    switch_ports = SwitchPortSerializer(many=True, required=False)
    streams = StreamSerializer(many=True, required=False)
    wire_error = F.CharField(required=False, help_text="Why nobody looked how memory and disks left the source.")


class CopiedDiskSerializer(serializers.Serializer[Any]):
    """A disk that is copied along: its image at the destination, and what became of it."""

    target = F.CharField(help_text="The disk's name, such as vda.")
    path = F.CharField(help_text="The image, at the same path on both hosts.")
    format = F.CharField()
    capacity_bytes = F.IntegerField(help_text="As the guest sees it.")
    data_bytes = F.IntegerField(help_text="How much of it there was to copy.")
    backing = F.CharField(help_text="The image that it lies on, where only the top was copied.")
    backing_format = F.CharField()
    owner = F.CharField(help_text="Whom it was given to; empty where libvirt sees to that.")
    mark = F.CharField(help_text="A second name of the image, by which the console knows it for its own.")
    state = F.ChoiceField(choices=IMAGE_STATES)
