import copy
import pickle

import pytest

from hosts import errors

LEAVES = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.HostError)]


@pytest.mark.parametrize("error", LEAVES, ids=lambda error: error.__name__)
def test_every_error_has_words_a_next_step_and_an_http_status(error):
    assert error.title and error.hint.endswith((".", ")", "VM"))
    assert 400 <= error.status < 600


def test_no_two_errors_share_a_problem_type():
    assert len({error.slug for error in LEAVES}) == len(LEAVES)


def test_an_error_keeps_host_vm_hint_and_the_other_sides_words():
    error = errors.Busy("web is busy", host="kvm-1", vm="web", hint="Wait.", raw="cannot acquire lock")
    assert str(error) == "web is busy"
    assert (error.host, error.vm, error.hint, error.raw) == ("kvm-1", "web", "Wait.", "cannot acquire lock")
    assert errors.Busy.hint != "Wait."


@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301 our own bytes
def test_errors_survive_a_trip_through_the_queue(copied):
    failed = copied(errors.CommandFailed(["mount", "a b"], 32, "no such device\n", host="kvm-1"))
    assert str(failed) == "mount 'a b' on kvm-1 ended with exit code 32: no such device"
    assert (failed.argv, failed.returncode, failed.host) == (("mount", "a b"), 32, "kvm-1")
    assert copied(errors.InvalidInput("no", field="uri")).field == "uri"
