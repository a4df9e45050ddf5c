"""Delta: subscriptions, the chains that they form, and what changed between two states of rows."""

import datetime as dt
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock

import numpy as np

from demo.tenant.filters import Expression
from demo.tenant.tables import Table, View

Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Changes:
    """What a delta read tells: rows of a table as they are now, and the keys that are gone."""

    view: View
    gone: tuple[Key, ...] = ()

    @property
    def total(self) -> int:
        """How many elements there are."""
        return len(self.view[1]) + len(self.gone)


def differences(before: View, after: View, names: Sequence[str], keys: Sequence[str]) -> Changes:
    """Compare two states of rows, key by key.

    Several records may share a key. When one of them was added, removed or changed, all records of
    the key are told as they are now, for nothing tells one such record from another.

    Args:
        before: Rows of an older table.
        after: Rows of a newer table.
        names: The columns that count.
        keys: Those of them that make the key.
    """
    (old, _), (new, places) = _by_key(before, names, keys), _by_key(after, names, keys)
    touched = (place for key in new if old[key] != new[key] for place in places[key])
    chosen = np.array(sorted(touched), np.intp)
    return Changes((after[0], after[1][chosen]), tuple(key for key in old if key not in places))


def _by_key(
    view: View, names: Sequence[str], keys: Sequence[str]
) -> tuple[dict[Key, Counter[Key]], dict[Key, list[int]]]:
    """Return for each key how often each record of it occurs, and where its records stand."""
    counts: dict[Key, Counter[Key]] = defaultdict(Counter)
    places: dict[Key, list[int]] = defaultdict(list)
    records = zip(view[0].records(view[1], keys), view[0].records(view[1], names), strict=True)
    for place, (key, record) in enumerate(records):
        counts[key][record] += 1
        places[key].append(place)
    return counts, places


@dataclass(frozen=True)
class Wish:
    """What a subscription is for: a set of a model, cut by a filter and a selection.

    Attributes:
        model: The id of the model.
        entity: The name of the set.
        names: The columns to show.
        condition: The filter.
        texts: The fields of the record that are shown as they were written.
    """

    model: str
    entity: str
    names: tuple[str, ...]
    condition: Expression | None = None
    texts: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass
class Subscription:
    """One link of a chain: the state of the rows from which its delta link counts.

    Attributes:
        baseline: The facts from which the delta link counts; `None` before the first read.
        changes: What led here from the link before, for the pages of that read.
        born_s: When it was made, on the monotonic clock.
    """

    id: str
    chain: str
    wish: Wish
    baseline: Table | None
    previous: "Subscription | None" = None
    changes: Changes | None = None
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    ended: dt.datetime | None = None
    accessed: dt.datetime | None = None
    born_s: float = field(default_factory=time.monotonic)

    def older_than(self, seconds: float | None) -> bool:
        """Tell whether it has outlived a retention; `None` is for ever."""
        return seconds is not None and time.monotonic() - self.born_s >= seconds

    def record(self, service: str) -> dict[str, str]:
        """Return the record as the administration shows it; what is missing is the text `null`."""
        missing = dict.fromkeys(("ExternalID", "Filter", "Selection", "Description"), "null")
        return {
            "NamespaceID": "sac",
            "ProviderID": self.wish.model,
            "EntitySetName": self.wish.entity,
            "SubscriptionID": self.id,
            "ChainID": self.chain,
            "PreviousSubscriptionID": self.previous.id if self.previous else "null",
            **missing,
            **self.wish.texts,
            "StartTime": _stamp(self.started),
            "EndTime": _stamp(self.ended),
            "LastAccessed": _stamp(self.accessed),
            "CurrentDeltaLink": f"{service}/{self.wish.model}/{self.wish.entity}?deltaid={self.id}",
        }


def _stamp(moment: dt.datetime | None) -> str:
    """Write a moment, or that there is none."""
    return "null" if moment is None else moment.isoformat(timespec="milliseconds")


class SubscriptionBook:
    """The subscriptions of a tenant. Threads use it side by side."""

    def __init__(self) -> None:
        self._known: dict[str, Subscription] = {}
        self._lock = RLock()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._known.clear()

    def all(self, model: str | None = None) -> list[Subscription]:
        """Return the subscriptions, or those of one model, oldest first."""
        with self._lock:
            return [s for s in self._known.values() if model in {None, s.wish.model}]

    def get(self, name: str) -> Subscription | None:
        """Return a subscription by its id."""
        with self._lock:
            return self._known.get(name)

    def latest(self, model: str, external: str) -> Subscription | None:
        """Return the last link of the chain that a caller gave a name of its own."""
        named = [s for s in self.all(model) if s.wish.texts.get("ExternalID") == external]
        return named[-1] if named else None

    def begin(self, wish: Wish, baseline: Table | None) -> Subscription:
        """Begin a chain; without a baseline its first read tells all rows."""
        now = dt.datetime.now(dt.UTC)
        chain = f"sac_{wish.model}_{wish.entity}_{now:%Y%m%d%H%M%S%f}"
        prefix = "first-" if baseline is None else ""
        return self._keep(Subscription(f"{prefix}{uuid.uuid4()}", chain, wish, baseline))

    def follow(
        self, previous: Subscription, facts: Table, compare: Callable[[Table | None], Changes]
    ) -> Subscription:
        """Add a link to a chain: what changed up to these facts, and where the next read starts."""
        changes = compare(previous.baseline)
        following = Subscription(
            str(uuid.uuid4()), previous.chain, previous.wish, facts, previous, changes
        )
        previous.ended = previous.accessed = following.started
        return self._keep(following)

    def followed(self, previous: Subscription) -> bool:
        """Tell whether the delta link of a subscription has been read."""
        return any(s.previous is previous for s in self.all())

    def drop(self, model: str, name: str, *, chain: bool, entity: str | None) -> int:
        """Delete one subscription, its chain, all of a set, or all of a model; count them."""
        with self._lock:
            one = self._known.get(name)
            gone = [
                s
                for s in self.all(model)
                if (entity is not None and s.wish.entity == entity)
                or (entity is None and not name)
                or s.id == name
                or (chain and one is not None and s.chain == one.chain)
            ]
            for subscription in gone:
                del self._known[subscription.id]
            return len(gone)

    def _keep(self, subscription: Subscription) -> Subscription:
        """Remember a subscription."""
        with self._lock:
            self._known[subscription.id] = subscription
        return subscription
