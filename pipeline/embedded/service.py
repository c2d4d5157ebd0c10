"""What every embedded service is to its users: one child process, there from its start on."""

from pipeline.embedded.child import Child
from pipeline.errors import EmbeddedServiceError


class EmbeddedService:
    """Base of the embedded services. ``name`` is how messages call it; ``start`` of the subclass sets ``_child``."""

    name: str

    def __init__(self) -> None:
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """Process id of the service."""
        return self.child.pid

    @property
    def child(self) -> Child:
        """The process. Raises EmbeddedServiceError before the start."""
        if self._child is None:
            raise EmbeddedServiceError(f"{self.name} was not started")
        return self._child

    @property
    def started(self) -> bool:
        """True from the start on."""
        return self._child is not None
