"""Running calls: what every backend does alike, over the few things it does its own way."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prodigy.errors import SandboxFailure
from prodigy.sandbox.classify import Evidence, finished, unreported
from prodigy.sandbox.disk import DiskWatch
from prodigy.sandbox.flight import PREPARE_LIMIT, Flight, Stoppable
from prodigy.sandbox.ladder import climb
from prodigy.sandbox.pipe import OpenPipe
from prodigy.sandbox.protocol import INPUT, OUTPUT, Call, Outcome
from prodigy.sandbox.scripts import script
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prodigy.sandbox.channel import Channel

PIPE_LIMIT = 1800.0
"""Seconds a stream may take when its caller sets no limit."""
TOKEN = "PRODIGY_TOKEN"  # noqa: S105 - a name
"""Variable that every process of a call has: what the kill rule goes by."""
TIMEOUT_CODE = 124
"""Exit code of a step that ran out of time, as ``timeout`` has it."""


class Runner(ABC):
    """Runs calls by the step script, and stops them by the reaper."""

    scratch: str
    """Directory in the sandbox for the inputs of steps."""
    cgroup: str
    """Where the sandbox sees its own limits; nowhere if they are not its own."""
    owns_processes: bool
    """Whether every process that can be seen belongs to this sandbox, so that age may tell whose it is."""

    def __init__(self, stop_grace: float, disk: int | None = None) -> None:
        self._stop_grace = stop_grace
        self._disk = disk
        self._flights: set[Stoppable] = set()
        self._gate = threading.RLock()
        """Held while a call enters, and by a stop that goes by the age of processes."""
        self._ended = False
        self._cancelled = False

    @property
    @abstractmethod
    def root(self) -> str:
        """The worktree's path as commands see it."""

    @abstractmethod
    def start(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Channel:
        """Start a program in the sandbox. Raises SandboxFailure."""

    @abstractmethod
    def _end(self, flights: tuple[Stoppable, ...]) -> None:
        """End the sandbox, in which ``flights`` are under way, at once."""

    @abstractmethod
    def _evidence(self, flight: Flight) -> Evidence:
        """Find out why a call ended without its report."""

    def _unusable(self) -> str | None:
        """Return why no call can be made now. The host backend also checks the worktree here."""
        return "the sandbox has ended" if self._ended else None

    def run(self, call: Call) -> Outcome:
        """Execute, wait, and classify. See ``Sandbox.run``."""
        started = time.monotonic()
        flight = Flight(call)
        with self._gate:
            self._flights.add(flight)
            if self._cancelled:
                flight.request_stop(ErrorKind.CANCELLED, "cancelled")
                flight.stopped()
        watch = DiskWatch(self, flight, self._disk)
        try:
            watch.begin()
            kind, message = self._fly(flight)
            flight.settle()
            kind, message = watch.end(kind, message, time.monotonic() - started)
        except BaseException:
            self._stop(flight, ErrorKind.CANCELLED, "", grace=0)
            raise
        finally:
            watch.close()
            flight.finish()
            self._flights.discard(flight)
            if flight.channel:
                flight.channel.close()
        return _outcome(flight, kind, message, time.monotonic() - started, self._values_file(flight))

    @contextmanager
    def pipe(
        self, argv: tuple[str, ...], *, stdin: Iterable[bytes] | None = None, timeout: float | None = None
    ) -> Iterator[OpenPipe]:
        """Start a command in the worktree and stream its stdout. See ``Sandbox.pipe``.

        Raises SandboxFailure when it cannot be started.
        """
        limit = PIPE_LIMIT if timeout is None else timeout
        pipe = OpenPipe(argv)
        with self._gate:
            self._flights.add(pipe)
        expired = (pipe, ErrorKind.TIMEOUT, f"{argv[0]} did not end within {limit:g} s", 0.0)
        watchdog = threading.Timer(limit, self._stop, expired)
        watchdog.daemon = True
        try:
            if unusable := self._unusable():
                raise SandboxFailure(unusable)
            arguments = ("sh", "-c", script("pipe"), "sh", self.root, f"{self._file(pipe)}.stop", *argv)
            pipe.connect(self.start(arguments, {TOKEN: pipe.token}), stdin)
            watchdog.start()
            yield pipe
        finally:
            watchdog.cancel()
            if not pipe.over:
                self._stop(pipe, ErrorKind.CANCELLED, "closed", grace=0)
            pipe.settle()
            self._flights.discard(pipe)
            pipe.disconnect()

    def cancel(self) -> None:
        """Stop what runs. See ``Sandbox.cancel``."""
        with self._gate:
            self._cancelled = True
            calls = [flight for flight in self._flights if isinstance(flight, Flight)]
        stops = [
            threading.Thread(target=self._stop, args=(flight, ErrorKind.CANCELLED, "cancelled"))
            for flight in calls
        ]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join()

    def stop_for(self, flight: Flight, kind: ErrorKind, message: str) -> None:
        """Stop one call for a reason found outside it."""
        self._stop(flight, kind, message)

    def kill(self) -> None:
        """End the sandbox at once. See ``Sandbox.kill``."""
        self._destroy(ErrorKind.CANCELLED, "the sandbox was killed")

    def _destroy(self, kind: ErrorKind, message: str) -> None:
        flights = tuple(self._flights)
        for flight in flights:
            flight.request_stop(kind, message)
        try:
            self._end(flights)
        finally:
            for flight in flights:
                flight.stopped()

    def _fly(self, flight: Flight) -> tuple[ErrorKind | None, str]:
        """Start the step, read its output to the end, and judge it."""
        unusable = self._unusable()
        if unusable or flight.log_error:
            return ErrorKind.SANDBOX, unusable or _log_sentence(flight)
        if flight.stop_kind:
            return flight.stop_kind, flight.stop_message
        # A step's PATH is for its command; the shell around it must still be found.
        environment = {name: value for name, value in flight.call.env.items() if name != "PATH"}
        try:
            channel = self.start(self._arguments(flight), {**environment, **self._own(flight)})
        except SandboxFailure as error:
            return flight.stop_kind or ErrorKind.SANDBOX, flight.stop_message or error.message
        if not flight.commit(channel):
            channel.close()
            return flight.stop_kind, flight.stop_message
        flight.watch(
            PREPARE_LIMIT,
            lambda kind, message: self._stop(flight, kind, message),
            ErrorKind.SANDBOX,
            f"the step did not begin within {PREPARE_LIMIT:g} s",
        )
        self._feed(flight, channel)
        self._read(flight, channel)
        return self._judge(flight)

    def _own(self, flight: Flight) -> dict[str, str]:
        """Return the variables that only this call has."""
        return {TOKEN: flight.token, OUTPUT: self._values_file(flight)}

    def _values_file(self, flight: Flight) -> str:
        return f"{self._file(flight)}.out"

    def _file(self, flight: Stoppable) -> str:
        return f"{self.scratch}/{flight.token[:16]}"

    def _arguments(self, flight: Flight) -> tuple[str, ...]:
        call, file = flight.call, self._file(flight)
        argv = tuple(file if argument == INPUT else argument for argument in call.argv)
        survey = "1" if call.survey else "0"
        settings = (self.root, call.cwd, survey, self.cgroup, file, call.env.get("PATH", ""))
        return ("sh", "-c", script("step"), "sh", *settings, *argv)

    def _feed(self, flight: Flight, channel: Channel) -> None:
        call = flight.call
        size = str(len(call.input)) if call.input or INPUT in call.argv else "-"
        try:
            channel.send(f"{flight.mark} {size}\n".encode() + call.input)
            channel.finish()
        except OSError:
            return  # the program ended first; its missing report will say so

    def _read(self, flight: Flight, channel: Channel) -> None:
        while not flight.complete:
            patience = flight.patience()
            if patience is not None and patience < 0:
                return
            chunks = channel.receive(patience)
            if chunks is None:
                return
            for name, data in chunks:
                flight.feed(name, data)
            if flight.log_error and flight.stop_kind is None:
                # In a thread of its own, so that output goes on being read while the step ends.
                sentence = _log_sentence(flight)
                threading.Thread(target=self._stop, args=(flight, ErrorKind.SANDBOX, sentence)).start()

    def _judge(self, flight: Flight) -> tuple[ErrorKind | None, str]:
        if flight.stop_kind:
            return flight.stop_kind, flight.stop_message
        if flight.refused:
            return flight.refused
        if flight.end and flight.exit_code is not None and flight.begin:
            return finished(flight.exit_code, flight.end.oom_kills - flight.begin.oom_kills)
        return unreported(self._evidence(flight))

    def _stop(self, flight: Stoppable, kind: ErrorKind, message: str, grace: float | None = None) -> None:
        """Stop one call: TERM, grace, KILL; the sandbox itself when that does not help."""
        if not flight.request_stop(kind, message):
            return
        try:
            if flight.channel is None:
                return
            with self._gate:
                alone = self.owns_processes and self._flights <= {flight}
                if alone:
                    self._reap(flight, grace, by_age=True)
            if not alone:
                self._reap(flight, grace, by_age=False)
        finally:
            flight.stopped()

    def _reap(self, flight: Stoppable, grace: float | None, *, by_age: bool) -> None:
        since = str(flight.begin.start) if flight.begin and by_age else "-"
        try:
            gone = self._climb(flight, self._stop_grace if grace is None else grace, since)
        except (SandboxFailure, OSError):
            gone = False
        if not gone:
            self._destroy(
                ErrorKind.SANDBOX, "the sandbox was killed: processes of another step could not be ended"
            )

    def _climb(self, flight: Stoppable, grace: float, since: str) -> bool:
        session = str(flight.begin.session) if flight.begin else "none"
        about = (flight.token, session, since, f"{self._file(flight)}.stop")
        arguments = ("sh", "-c", script("reaper"), "sh", *about)
        return climb(lambda: self.start(arguments, {}), grace)


def _log_sentence(flight: Flight) -> str:
    error = flight.log_error
    return f"the step's log could not be written: {error.strerror if error else ''}"


def _outcome(
    flight: Flight, kind: ErrorKind | None, message: str, duration: float, values_file: str
) -> Outcome:
    out, err = flight.recorders["stdout"], flight.recorders["stderr"]
    if kind is None and flight.log_error:
        kind, message = ErrorKind.SANDBOX, _log_sentence(flight)
    return Outcome(
        exit_code=TIMEOUT_CODE if kind is ErrorKind.TIMEOUT else flight.exit_code,
        kind=kind,
        message=message,
        head_before=flight.begin.head if flight.begin else None,
        head_after=flight.end.head if flight.end else None,
        descends=bool(flight.end and flight.end.descends),
        dirty=flight.end.dirty if flight.end else None,
        output_file=values_file if flight.end and flight.end.told else None,
        stdout_tail=out.tail,
        stderr_tail=err.tail,
        stdout_bytes=out.size,
        stderr_bytes=err.size,
        duration=duration,
    )
