"""Which models there are, and who answers for a name."""

from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from core.model.errors import UnknownModel
from core.model.model_states import EngineState, ModelStates
from core.providers.base import Access, EngineProvider, Provider
from core.providers.catalogue.circuit import Circuit, CircuitState
from core.providers.catalogue.models import Model, access_of, read_models
from core.providers.catalogue.providers import PROVIDERS, RESPONSES, kind_at
from core.settings import Settings

log = structlog.get_logger()

FIXED_LISTS = frozenset({"local"})
"""Those with the models that the settings name, and no others: a name is a place on this machine."""
MAX_CIRCUITS = 1000
"""People may ask for any name."""
MAX_UNLISTED = 256
"""Models asked for by other names than the listed ones: the newest are kept, as it takes a while to make one."""


class Route(NamedTuple):
    """A way to an answer: a model, and who asks it."""

    model: Model
    provider: Provider
    circuit: Circuit


class Catalogue:
    def __init__(self, settings: Settings) -> None:
        """Raises SystemExit for settings and files that are no good."""
        self._settings = settings
        self._access: dict[str, Access] = {
            name: access for name in PROVIDERS if (access := kind_at(PROVIDERS[name]).access(settings)) is not None
        }
        """Of the providers that the settings ask for."""
        if len(self._access) > 1:
            self._access.pop("demo", None)  # it answers where nobody else can
        self._default: str | None = next(iter(self._access), None)
        self._has_prefixes = not self._default_has_own_address()
        models = read_models(settings.models_file, self._access) if settings.models_file else self._usual_models()
        self._models = {model.name: model for model in models}
        self._find_unlisted = lru_cache(MAX_UNLISTED)(self._unlisted)
        self.default_model = models[0].name
        """Answers where a question names none."""
        self._providers: dict[tuple[str, Access], Provider] = {}
        self._circuits = OrderedDict[tuple[int, str], Circuit]()
        for model in [*models, *self._usual_models()]:
            self._provider(model)
        if not self._has_prefixes and len(self._access) > 1:
            log.warning(
                "cannot be asked by prefix: OPENAI_BASE_URL's server has slashes in its own models' names",
                action="provider.unreachable",
                providers=", ".join([name for name in self._access if name != self._default]),
            )

    @property
    def models(self) -> list[Model]:
        """Those that are known beforehand; others can be asked for as well, by a name that their service knows."""
        return [*self._models.values()]

    @property
    def queues(self) -> list[str | None]:
        """Of all their jobs; None: the default one."""
        return list(dict.fromkeys([None, *(model.queue for model in self.models)]))

    def prepare(self) -> None:
        """Called in a thread while the process starts."""
        for provider in self._providers.values():
            provider.prepare()

    def load_engines(self) -> None:
        """From the event loop."""
        for provider in self._providers.values():
            if isinstance(provider, EngineProvider):
                provider.load()

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()

    def find(self, name: str) -> Model:
        """A name is looked up whole; else its prefix chooses a provider, if that is set up and the default one has no
        names with slashes; else it is the default provider's. Raises UnknownModel."""
        return self._models[name] if name in self._models else self._find_unlisted(name)

    def _unlisted(self, name: str) -> Model:
        prefix, _, rest = name.partition("/")
        if self._has_prefixes and rest and prefix in self._access and prefix not in FIXED_LISTS:
            return Model(name=name, provider=prefix, model=rest)
        if self._default is None or self._default in FIXED_LISTS:
            raise UnknownModel(f"there is no model {name!r}; GET /models tells which there are", field="model")
        return Model(name=name, provider=self._default)

    def route(self, name: str) -> Route:
        """Raises UnknownModel."""
        model = self.find(name)
        provider = self._provider(model)
        return Route(model, provider, self._circuit(provider, model))

    def chain(self, name: str) -> list[Route]:
        """The way to the model of this name, and those to its fallbacks. Raises UnknownModel."""
        first = self.route(name)
        return [first, *map(self.route, first.model.fallbacks)]

    def may_go_on(self, name: str) -> bool:
        """Whether the model of this name, or one of its fallbacks, goes on with an answer that broke off."""
        try:
            return any(route.model.may_go_on for route in self.chain(name))
        except UnknownModel:
            return False

    def states(self) -> ModelStates:
        circuits = {circuit.name: circuit.state for circuit in self._circuits.values()}
        engines = {model.name: self._engine_state(model) for model in self.models if model.queue is not None}
        return ModelStates(
            {name: state for name, state in circuits.items() if state is not CircuitState.CLOSED},
            {name: state for name, state in engines.items() if state is not None},
        )

    def _usual_models(self) -> list[Model]:
        """Of the providers that the settings ask for."""
        return [
            Model(name=name if provider == self._default else f"{provider}/{name}", provider=provider, model=name)
            for provider in (self._access if self._has_prefixes else {self._default: None} if self._default else {})
            for name in kind_at(PROVIDERS[provider]).default_models(self._settings)
        ]

    def _default_has_own_address(self) -> bool:
        """Such as that of a server in front of several, with slashes in its models' names."""
        if self._default is None:
            return False
        base_url = self._access[self._default].base_url
        return self._default == "openai" and urlsplit(base_url or "").hostname not in (None, "api.openai.com")

    def _provider(self, model: Model) -> Provider:
        """Models of one address share one."""
        address = getattr(self._settings, f"{model.provider}_base_url", None)
        access = access_of(model, self._access.get(model.provider), address)
        path = RESPONSES if model.api == "responses" else PROVIDERS[model.provider]
        if (path, access) not in self._providers:
            self._providers[path, access] = kind_at(path).create(access, self._settings)
        return self._providers[path, access]

    def _engine_state(self, model: Model) -> EngineState | None:
        provider = self._provider(model)
        return provider.state(model.service_model) if isinstance(provider, EngineProvider) else None

    def _circuit(self, provider: Provider, model: Model) -> Circuit:
        key = id(provider), model.service_model
        if key not in self._circuits:
            self._circuits[key] = Circuit(model.name)
            if len(self._circuits) > MAX_CIRCUITS:
                self._circuits.popitem(last=False)
        return self._circuits[key]
