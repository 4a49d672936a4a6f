"""Files found by their facts and their names on OpenSearch."""

from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.opensearch import filters, queries
from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.documents import Documents
from chalicelib.adapters.opensearch.facts import Json, path_term
from chalicelib.adapters.opensearch.queries import RESULT_FIELDS
from chalicelib.domain.file_queries import MIN_PREFIX, NAME_SCORES, FilePosition, FileQuery, FoundFile, Order

SPARE_FILES = 8  # beyond the limit: on Serverless some may be superseded


def find(client: OpenSearchClient, documents: Documents, target: str, query: FileQuery) -> list[FoundFile]:
    """Returns the page of a query out of an index or alias."""
    found: list[FoundFile] = []
    after = query.after
    for known in (True, False):
        if known and after is not None and after[0] is None:
            continue
        if not known and query.order in (Order.MATCH, Order.PATH, Order.SIZE):
            break  # every file has one
        while len(found) < query.limit:
            size = query.limit - len(found) + SPARE_FILES
            body = _body(query, after, size, known=known)
            hits = client.request("POST", f"/{target}/_search", body)["hits"]["hits"]
            page = [_found(query, hit) for hit in hits]
            revisions = {each.uuid: queries.revision(hit["_source"]) for each, hit in zip(page, hits, strict=True)}
            current = documents.current_uuids(target, revisions)
            found += [file for file in page if file.uuid in current]
            if len(hits) < size:
                break
            after = page[-1].position
        after = after if after is not None and after[0] is None else None
    return found[: query.limit]


def _body(query: FileQuery, after: FilePosition | None, size: int, *, known: bool) -> Json:
    owned = queries.owned_by(query.account, query.collections)["bool"]["filter"]
    conditions = [*owned, *filters.conditions(query.account, query.filter)]
    body: Json = {"size": size, "_source": list(RESULT_FIELDS), "track_total_hits": False}
    if query.order is Order.MATCH:
        scores = [_word_score(word) for word in query.words]
        body |= {"sort": [{"_score": "desc"}, {"uuid": "asc"}], "track_scores": True}
        if after is not None:
            body["search_after"] = list(after)
        return body | {"query": {"bool": {"filter": conditions, "must": scores}}}
    field = query.order.value
    exists: Json = {"exists": {"field": field}}
    if known:
        conditions.append(exists)
        body["sort"] = [{field: "desc" if query.descending else "asc"}, {"uuid": "asc"}]
    else:
        conditions.append({"bool": {"must_not": [exists]}})
        body["sort"] = [{"uuid": "asc"}]
    if after is not None:
        conditions.append(_behind(query, after))
    return body | {"query": {"bool": {"filter": conditions}}}


def _behind(query: FileQuery, after: FilePosition) -> Json:
    value, uuid = after
    later: Json = {"range": {"uuid": {"gt": uuid}}}
    if value is None:
        return later
    field = query.order.value
    last = path_term(query.account, str(value)) if query.order is Order.PATH else value
    beyond: Json = {"range": {field: {"lt" if query.descending else "gt": last}}}
    equal: Json = {"range": {field: {"gte": last, "lte": last}}}
    return {"bool": {"should": [beyond, {"bool": {"filter": [equal, later]}}], "minimum_should_match": 1}}


def _word_score(word: str) -> Json:
    in_name, in_folder, begins_name, begins_folder = NAME_SCORES
    alternatives = [("term", "name_words", in_name), ("term", "folder_words", in_folder)]
    if len(word) >= MIN_PREFIX:
        alternatives += [("prefix", "name_words", begins_name), ("prefix", "folder_words", begins_folder)]
    scored: Sequence[Json] = [
        {"constant_score": {"filter": {kind: {field: word}}, "boost": score}} for kind, field, score in alternatives
    ]
    return {"dis_max": {"queries": scored}}


def _found(query: FileQuery, hit: Any) -> FoundFile:
    found = queries.hit(hit["_source"], 0.0)
    position = query.position(found.uuid, found.file.facts)
    return FoundFile(found.uuid, found.file, position)
