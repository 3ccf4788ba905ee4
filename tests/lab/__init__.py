"""The lab: real KVM hosts and a real NFS server on one machine, for the tests and for trying the console. See docs/lab.md."""
