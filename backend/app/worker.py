"""The worker: the same INSTALLED without web; jobs, periodic work and the polling of refresh marks."""

from __future__ import annotations

import asyncio
import signal

from app.config import Settings
from app.kernel.jobs.runner import JobRunner
from app.kernel.metrics_port import show_metrics
from app.kernel.observability import configure_logging
from app.kernel.tracing.spans import start_tracing
from app.process import build_process


async def run_worker(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; jobs that are under way get a moment to finish, the rest is handed back."""
    configure_logging(settings.log_format, settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process = build_process(settings)
    start_tracing(settings, process.resources, program="worker")
    await process.open()
    try:
        runner = JobRunner(
            process.database, process.registry, process.settings, process.clock, resources=process.resources
        )
        async with show_metrics(settings):
            await runner.run(stop)
    finally:
        await process.aclose()
