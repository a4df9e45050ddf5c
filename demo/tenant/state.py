"""What one tenant remembers: settings, models, tokens, results already computed."""

from collections import OrderedDict
from collections.abc import Callable

from demo.tenant.bulk import DEFAULT_ROWS, daily_model, wide_model
from demo.tenant.faults import FaultBook
from demo.tenant.journal import Journal
from demo.tenant.models import Model
from demo.tenant.oauth import TokenBook
from demo.tenant.samples import account_model, plan_model, quarter_model, year_model
from demo.tenant.settings import Settings
from demo.tenant.tables import Codes, Table

View = tuple[Table, Codes]
MAX_VIEWS = 16


class Views:
    """The latest filtered, ordered and grouped results, so that a page costs no second sort."""

    def __init__(self) -> None:
        self._views: OrderedDict[object, View] = OrderedDict()

    def get(self, key: object, make: Callable[[], View]) -> View:
        """Return the view under a key; make it if there is none."""
        if key not in self._views:
            self._views[key] = make()
            if len(self._views) > MAX_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return self._views[key]


class State:
    """All that a tenant knows."""

    def __init__(self, rows: int = DEFAULT_ROWS) -> None:
        self._rows = rows
        self.settings = Settings()
        self.tokens = TokenBook()
        self.journal = Journal()
        self.faults = FaultBook()
        self.views = Views()
        self.models = self._sample_models()

    def reset(self) -> None:
        """Return to the state of a fresh start; tokens that are out are revoked."""
        self.settings = Settings()
        self.tokens.revoke()
        self.journal.clear()
        self.faults.clear()
        # Models that nobody changed keep their rows: to make them again costs each test its time.
        fresh = self._sample_models()
        self.models = {
            name: self.models[name] if self.models[name].untouched else model
            for name, model in fresh.items()
        }

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
        )
        return {model.id: model for model in models}
