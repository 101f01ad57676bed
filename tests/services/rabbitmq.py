"""A RabbitMQ for tests: one named by the environment, or a private node of the installed one."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from broker.errors import BrokerError
from broker.sandbox.rabbitmq_node import find_rabbitmq_server, private_rabbitmq_node

NO_RABBITMQ = "no RabbitMQ: set ENLACE_TEST_AMQP_URL, or install rabbitmq-server"


@pytest.fixture(scope="session")
def amqp_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a RabbitMQ listens; tests keep apart by the namespace of their topology."""
    if url := os.environ.get("ENLACE_TEST_AMQP_URL"):
        yield url
        return
    if find_rabbitmq_server() is None:
        give_up(NO_RABBITMQ)
    # The node outlives every test's event loop, so it has one of its own, in a thread.
    with ThreadPoolExecutor(max_workers=1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        node = private_rabbitmq_node(tmp_path_factory.mktemp("rabbitmq") / "node")
        try:
            started = thread.submit(runner.run, node.__aenter__()).result()
        except BrokerError as error:
            give_up(f"RabbitMQ is installed, but: {error} {' '.join(error.__notes__[-1:])}")
        yield started.url
        thread.submit(runner.run, node.__aexit__(None, None, None)).result()
        thread.submit(runner.close).result()


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail it where the services are required."""
    if os.environ.get("ENLACE_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def private_folder(tmp_path: Path) -> Path:
    """Name a folder for a node that one test stops and starts; skip where none is installed."""
    if find_rabbitmq_server() is None:
        give_up("no rabbitmq-server is installed here to stop and start")
    return tmp_path / "node"
