"""Settings: who answers."""

from pydantic import Field, FilePath, SecretStr
from pydantic_settings import BaseSettings

from core.setting_groups.types import BareHttpUrl, Host, HttpUrl


class ModelSettings(BaseSettings):
    openai_api_key: SecretStr | None = Field(
        None, description="Key of the OpenAI-compatible API. Where no provider is set up, the demo answers."
    )
    openai_base_url: HttpUrl | None = Field(
        None,
        description="Any OpenAI-compatible server, e.g. http://localhost:11434/v1; user and password in it are sent as "
        "Basic authentication, in the key's place. Default: OpenAI.",
    )
    openai_model: str = Field("gpt-4o-mini", description="OpenAI's model where a request names none.")
    anthropic_api_key: SecretStr | None = Field(None, description="Key of Anthropic's API.")
    anthropic_base_url: BareHttpUrl | None = Field(None, description="Of another server with that API.")
    gemini_api_key: SecretStr | None = Field(None, description="Key of the Gemini API.")
    gemini_base_url: BareHttpUrl | None = Field(None, description="Of another server with that API.")
    ollama_host: Host | None = Field(None, description="Ollama's host and port, e.g. localhost:11434.")
    ollama_api_key: SecretStr | None = Field(None, description="Key of Ollama's cloud, or of a proxy before it.")
    models_file: FilePath | None = Field(
        None,
        description="TOML file of the models that can be asked, with their fallbacks, prices and limits; "
        "models.example.toml shows all of it. The first one answers where a question names none.",
    )
    system_prompt: str | None = Field(None, description="Put before every conversation.")
