"""GET /models."""

from fastapi import APIRouter

from api.dependencies import ProcessServices
from api.http.problems import responses
from api.views import ModelList, ModelView

router = APIRouter(tags=["chat"])


@router.get("/models", responses=responses(503))
async def list_models(services: ProcessServices) -> ModelList:
    """The models that can be asked, as the operator lists them, or of each provider that is set up its usual one."""
    catalogue = services.catalogue
    return ModelList(
        models=[ModelView.of(model, is_default=model.name == catalogue.default_model) for model in catalogue.models]
    )
