"""/api/v1/pipeline: services, workers, lag, what stands still."""

from fastapi import APIRouter

from pipeline.dashboard.models_pipeline import Pipeline
from pipeline.dashboard.pipeline_watch import PipelineWatch


def build_pipeline_routes(watch: PipelineWatch) -> APIRouter:
    """The route."""
    api = APIRouter(prefix="/api/v1")

    @api.get("/pipeline")
    async def pipeline() -> Pipeline:
        """Services, workers, lag by topic and partition, dead letters, and `problems` in words.

        Sampled every 3 s, whoever asks: an answer is at once, also while a service hangs.
        """
        return watch.view()

    return api
