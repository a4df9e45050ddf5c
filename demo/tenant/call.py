"""One call of the export service, as the parts that answer it see it."""

from dataclasses import dataclass

from starlette.requests import Request

from demo.tenant.odata import Options, parse_query
from demo.tenant.pages import Links, Place, Window, link, make_token, read_token
from demo.tenant.settings import Settings
from demo.tenant.state import State

BASE = "/api/v1/dataexport"


@dataclass(frozen=True)
class Call:
    """Who asks for what, of which tenant, and what a fault keeps from them.

    Attributes:
        request: The request; its body has been read before.
        state: The tenant.
        hidden_groups: How many groups of an aggregation are kept from the caller.
        body: What was sent along.
    """

    request: Request
    state: State
    hidden_groups: int = 0
    body: bytes = b""

    @property
    def settings(self) -> Settings:
        """The switches in force."""
        return self.state.settings

    @property
    def tail(self) -> str:
        """The decoded path below the base of the service."""
        path: str = self.request.scope["path"]
        return path.removeprefix(BASE)

    @property
    def raw_query(self) -> str:
        """The query string as it was sent."""
        query: bytes = self.request.scope["query_string"]
        return query.decode("latin-1")

    @property
    def origin(self) -> str:
        """The scheme and host by which the caller reached the tenant."""
        return f"{self.request.url.scheme}://{self.request.url.netloc}"

    @property
    def tracks_changes(self) -> bool:
        """Whether the caller prefers to be told of later changes, and the tenant does so."""
        wishes = [
            wish.strip().lower() for wish in self.request.headers.get("prefer", "").split(",")
        ]
        return self.settings.track_changes and bool(
            {"odata.track-changes", "track-changes"} & set(wishes)
        )

    def begun(self) -> tuple[Place, Options]:
        """Return where in which pull this call stands, and the options that began the pull."""
        options = parse_query(self.raw_query, refuse_plus=self.settings.strict_plus)
        if options.skip_token is None:
            return Place(self.raw_query), options
        place = read_token(options.skip_token)
        return place, parse_query(place.raw_query, refuse_plus=self.settings.strict_plus)

    def links(self, place: Place, part: Window, total: int, subscription: str | None) -> Links:
        """Return the links at the end of a page.

        Args:
            place: Where the page stands.
            part: What it shows.
            total: How much there is in all; only a pull that reached it may end in a delta link.
            subscription: The id of the subscription that the pull feeds, if it tracks changes.
        """
        if part.linked:
            following = Place(place.raw_query, place.offset + part.stop - part.start, subscription)
            return Links(next=self._link(f"$skiptoken={make_token(following)}"))
        if subscription and part.stop == total:
            return Links(delta=self._link(f"deltaid={subscription}"))
        return Links()

    def _link(self, query: str) -> str:
        """Write a link to the same path with another query string."""
        path = self.request.scope["raw_path"].decode("latin-1")
        return link(self.settings, self.origin, path, query)
