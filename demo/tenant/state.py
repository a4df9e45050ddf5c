"""What one tenant remembers: settings, models, tokens, results already computed."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from demo.tenant.bulk import DEFAULT_ROWS, daily_model, wide_model
from demo.tenant.calendars import (
    no_version_model,
    own_date_models,
    two_date_model,
    week_model,
)
from demo.tenant.delta import SubscriptionBook
from demo.tenant.faults import FaultBook
from demo.tenant.journal import Journal
from demo.tenant.models import Model
from demo.tenant.oauth import TokenBook
from demo.tenant.samples import account_model, plan_model, quarter_model, year_model
from demo.tenant.settings import Settings
from demo.tenant.tables import View

MAX_VIEWS = 16


class Views:
    """The latest filtered, ordered and grouped results, so that a page costs no second sort.

    Threads use it side by side: two that want one view at once both make it, and neither waits.
    """

    def __init__(self) -> None:
        self._views: OrderedDict[object, View] = OrderedDict()
        self._lock = Lock()

    def get(self, key: object, make: Callable[[], View]) -> View:
        """Return the view under a key; make it if there is none."""
        with self._lock:
            view = self._views.get(key)
        view = view or make()
        with self._lock:
            self._views[key] = view
            self._views.move_to_end(key)
            if len(self._views) > MAX_VIEWS:
                self._views.popitem(last=False)
        return view


class State:
    """All that a tenant knows."""

    def __init__(self, rows: int = DEFAULT_ROWS) -> None:
        self._rows = rows
        self.settings = Settings()
        self.tokens = TokenBook()
        self.journal = Journal()
        self.faults = FaultBook()
        self.views = Views()
        self.subscriptions = SubscriptionBook()
        self.csrf_tokens: set[str] = set()
        self.models = self._sample_models()

    def reset(self) -> None:
        """Return to the state of a fresh start; tokens that are out are revoked."""
        self.settings = Settings()
        self.tokens.revoke()
        self.journal.clear()
        self.faults.clear()
        self.subscriptions.clear()
        self.csrf_tokens.clear()
        # Models that nobody changed keep their rows: to make them again costs each test its time.
        fresh = self._sample_models()
        self.models = {
            name: self.models[name] if self.models[name].untouched else model
            for name, model in fresh.items()
        }

    def model_at(self, path: str) -> Model | None:
        """Return the model that a path names, if there is one."""
        return next((model for name, model in self.models.items() if f"/{name}/" in path), None)

    def add_model(self, model: Model) -> None:
        """Add a model, or put it in place of one with its id."""
        self.models[model.id] = model

    def _sample_models(self) -> dict[str, Model]:
        """Describe the models that every tenant has; no rows are made yet."""
        models = (
            plan_model(),
            account_model(),
            daily_model(self._rows),
            quarter_model(),
            year_model(),
            wide_model(),
            week_model(),
            *own_date_models(),
            two_date_model(),
            no_version_model(),
        )
        return {model.id: model for model in models}
