"""A definition gets another CPU and keeps everything else."""

from hosts.compatible_cpu import CompatibleCpu

CPU = CompatibleCpu(
    "<cpu mode='custom' match='exact'><model fallback='forbid'>EPYC</model>"
    "<feature policy='require' name='umip'/><feature policy='disable' name='svm'/></cpu>"
)
DOMAIN = "<domain><name>web</name><cpu mode='host-passthrough'><topology sockets='1' cores='2' threads='1'/></cpu><devices/></domain>"


def test_the_topology_stays() -> None:
    assert CPU.put_into(DOMAIN) == (
        '<domain><name>web</name><cpu mode="custom" match="exact"><model fallback="forbid">EPYC</model>'
        '<feature policy="require" name="umip"/><feature policy="disable" name="svm"/>'
        '<topology sockets="1" cores="2" threads="1"/></cpu><devices/></domain>'
    )


def test_a_definition_without_a_cpu_gets_one() -> None:
    assert "EPYC" in CPU.put_into("<domain><name>web</name></domain>")


def test_the_summary_names_model_and_features() -> None:
    assert CPU.summary == "EPYC, with umip, without svm"
