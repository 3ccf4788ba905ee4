"""The pages of hosts, VMs, storage, people and the audit list, a module for each."""
