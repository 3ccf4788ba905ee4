"""The lab: real KVM hosts and an NFS server on one machine, for tests and for trying the console. See docs/lab.md."""
