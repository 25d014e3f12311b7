"""Logs as JSON: one line a record, whatever a message contains."""

import json
import logging


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        line = {"time": self.formatTime(record), "level": record.levelname, "from": record.name, "message": message}
        return json.dumps({**line, **getattr(record, "fields", {})})


def log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
