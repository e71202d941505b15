"""A read of an environment whose answer is, byte for byte, the one that is known already."""

from typing import Any

import pytest

from chainenv.api import Baseten, NotFound, Unavailable

pytestmark = pytest.mark.asyncio
ANSWER: dict[str, Any] = {"name": "staging", "chain_id": "abcd1234", "promotion_settings": {}, "chainlet_settings": []}


async def test_the_same_answer_is_not_parsed_again(server: Any, baseten: Baseten) -> None:
    server.answers(json=ANSWER)
    digest, first = await baseten.read_environment("abcd1234", "staging")
    assert first == await baseten.get_environment("abcd1234", "staging")
    assert await baseten.read_environment("abcd1234", "staging", digest) == (digest, None)
    server.answers(json={**ANSWER, "name": "other"})
    changed, second = await baseten.read_environment("abcd1234", "staging", digest)
    assert changed != digest
    assert second is not None
    assert second.name == "other"


async def test_what_cannot_be_read_is_no_answer(server: Any, baseten: Baseten) -> None:
    server.answers(json=ANSWER)
    digest, _ = await baseten.read_environment("abcd1234", "staging")
    server.answers(text="[]")
    with pytest.raises(Unavailable):
        await baseten.read_environment("abcd1234", "staging", digest)
    server.answers(status=404, json={"code": "NOT_FOUND", "message": "no"})
    with pytest.raises(NotFound):
        await baseten.read_environment("abcd1234", "staging", digest)
