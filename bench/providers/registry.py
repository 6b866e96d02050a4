"""The ways to a model, one row a kind of provider."""

from bench.config.settings import CustomModel, EndpointModel, FoundryModel, FoundryRuntime, Timeouts
from bench.providers.protocol import Provider


def provider_for(
    model: FoundryModel | EndpointModel | CustomModel, runtime: FoundryRuntime, timeouts: Timeouts
) -> Provider:
    """Return the provider of a model of the config; nothing is started yet."""
    if isinstance(model, EndpointModel):
        from bench.providers.openai.endpoint import EndpointProvider

        return EndpointProvider(model, connect_s=timeouts.connect_s)
    if isinstance(model, CustomModel):
        from bench.providers.custom import CustomProvider

        return CustomProvider(model)
    from bench.providers.foundry import FoundryProvider

    return FoundryProvider(model, runtime)
