from dataclasses import fields

from hosts.job_stats import JobStats

RUNNING = {
    "type": 2,
    "operation": 5,
    "time_elapsed": 1200,
    "downtime": 300,
    "setup_time": 5,
    "data_total": 170_000_000,
    "data_processed": 60_000_000,
    "data_remaining": 100_000_000,
    "memory_total": 170_000_000,
    "memory_bps": 40_000_000,
    "memory_dirty_rate": 4660,
    "memory_page_size": 4096,
    "memory_iteration": 3,
    "memory_postcopy_requests": 0,
    "auto_converge_throttle": 20,
    "a_key_of_tomorrow": 1,
}


def test_a_running_job_is_read_with_units_in_its_names():
    stats = JobStats.from_libvirt(RUNNING)
    assert (stats.kind, stats.operation, stats.is_active) == ("unbounded", "migration_out", True)
    assert (stats.time_elapsed_ms, stats.downtime_ms, stats.setup_ms) == (1200, 300, 5)
    assert stats.data_remaining_bytes == 100_000_000
    assert (stats.memory_dirty_pages_per_s, stats.memory_page_size_bytes, stats.memory_iteration) == (4660, 4096, 3)
    assert (stats.postcopy_requests, stats.auto_converge_throttle_percent) == (0, 20)


def test_what_libvirt_does_not_say_is_none_and_not_zero():
    stats = JobStats.from_libvirt({"type": 0})
    assert stats.kind == "none" and not stats.is_active
    assert all(getattr(stats, field.name) is None for field in fields(stats) if field.name not in ("kind", "operation"))


def test_a_number_of_a_newer_libvirt_is_no_crash():
    assert JobStats.from_libvirt({"type": 99, "operation": 99}) == JobStats()


def test_a_failed_job_keeps_its_message():
    stats = JobStats.from_libvirt({"type": 4, "success": False, "errmsg": "guest too busy"})
    assert (stats.kind, stats.success, stats.error_message) == ("failed", False, "guest too busy")
