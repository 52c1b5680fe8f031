"""A real mail server on the loopback, with faults on request; and what tests need to read what it took."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default


@dataclass
class Taken:
    """One message as it came over the wire."""

    sender: str
    receivers: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        read = email.message_from_bytes(self.raw, policy=default)
        assert isinstance(read, EmailMessage)
        return read

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        assert part is not None
        return str(part.get_content())


@dataclass
class Faults:
    """What the server does wrong: `answers` by command, once each; `drops` closes at a command; `mute` says nothing."""

    answers: dict[str, list[str]] = field(default_factory=dict)
    drops: set[str] = field(default_factory=set)
    mute: bool = False


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail as RFC 5321 asks for at least."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.taken: list[Taken] = []
        self.faults = Faults()
        self.calls = 0
        self.unmuted = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer
    sender = ""

    def handle(self) -> None:
        self.server.calls += 1
        if self.server.faults.mute:
            self.server.unmuted.wait(30)
            return
        self.receivers: list[str] = []
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            word = line.partition(" ")[0].upper()
            if word in self.server.faults.drops or not self.answered(word, line):
                return

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def answered(self, word: str, line: str) -> bool:
        """Answer one command; False where the talk is over."""
        wrong = self.server.faults.answers.get(word)
        if wrong:
            self.say(wrong.pop(0))
        elif word == "DATA":
            self.say("354 go on")
            self.server.taken.append(Taken(self.sender, self.receivers, self.data()))
            self.say("250 taken")
        else:
            if word == "MAIL":
                self.sender = line.partition("<")[2].partition(">")[0]
            elif word == "RCPT":
                self.receivers.append(line.partition("<")[2].partition(">")[0])
            self.say("221 bye" if word == "QUIT" else "250 fine")
        return word != "QUIT"

    def data(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.unmuted.set()
        server.shutdown()
