"""The only place that speaks to libvirt: connections with time limits, guests, pools, events; errors become ours."""
