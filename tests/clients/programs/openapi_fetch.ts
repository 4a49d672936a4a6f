// What openapi-fetch does with the API, with the types that openapi-typescript has made; a line for each call.

import createClient from "openapi-fetch";
import { API, COLLECTION, SIZE, TOKEN, check, pause, picture, run, send } from "./calls";
import type { paths } from "./generated";

const client = createClient<paths>({ baseUrl: API, headers: { Authorization: `Token ${TOKEN}` } });
const of = (uuid: string) => ({ path: { uuid } });

function form(name: string): FormData {
  const body = new FormData();
  body.append("file", picture(name));
  return body;
}

async function newCollection(): Promise<string> {
  const { data } = await client.POST("/api/collections/", { body: { type: "managed", name: "of a client" } });
  return data!.result.collection.uuid;
}

await run({
  search: async () => {
    const { data } = await client.GET("/api/search/", { params: { query: { query: "an owl", limit: 5, collection: [COLLECTION] } } });
    check(data!.result.files.length === 5 && data!.info.files_count === 5, data);
    check(data!.result.files[0]!.file_name === "owl.jpg", data);
  },
  "picture search": async () => {
    const { data } = await client.POST("/api/search/", {
      params: { query: { limit: 3, collection: [COLLECTION] } },
      body: { file: "owl.jpg" },
      bodySerializer: () => form("owl.jpg"),
    });
    check(data!.result.files.length === 3 && data!.result.files[0]!.distance === 0, data);
  },
  upload: async () => {
    const { data } = await client.POST("/api/collections/{uuid}/upload/", {
      params: of(await newCollection()),
      body: { file: "one.jpg" },
      bodySerializer: () => form("one.jpg"),
    });
    check(data!.result.file === "one.jpg" && data!.result.mime_type === "image/jpeg", data);
  },
  "two-step upload": async () => {
    const collection = await newCollection();
    const { data } = await client.POST("/api/collections/{uuid}/uploads/", {
      params: of(collection),
      body: { path: "two.jpg", size: SIZE, mime_type: "image/jpeg" },
    });
    await send(data!.result.form, "two.jpg");
    const completed = await client.POST("/api/collections/{uuid}/uploads/{id}/complete/", {
      params: { path: { uuid: collection, id: data!.result.upload.id } },
    });
    check(completed.data!.result.file === "two.jpg", completed);
    const files = await client.GET("/api/collections/{uuid}/files/", { params: of(collection) });
    check(files.data!.result.files.map((file) => file.file_name).join() === "two.jpg", files);
  },
  list: async () => {
    const listed = await client.GET("/api/collections/");
    check(listed.data!.result.collections.some((collection) => collection.uuid === COLLECTION), listed);
    const page = await client.GET("/api/collections/{uuid}/files/", {
      params: { ...of(COLLECTION), query: { limit: 10 } },
    });
    check(page.data!.result.files.length === 10, page);
    const following = await client.GET("/api/collections/{uuid}/files/", {
      params: { ...of(COLLECTION), query: { limit: 10, cursor: page.data!.info.next_cursor! } },
    });
    check(following.data!.result.files[0]!.uuid !== page.data!.result.files[0]!.uuid, following);
    const account = await client.GET("/api/account/");
    check(account.data!.result.account.allowances.bytes.allowed > 2 ** 32, account);
  },
  sync: async () => {
    const preview = await client.POST("/api/collections/{uuid}/sync/", {
      params: of(COLLECTION),
      body: { dry_run: true },
    });
    check(preview.data!.result.preview!.complete, preview);
    const started = await client.POST("/api/collections/{uuid}/sync/", { params: of(COLLECTION) });
    check(started.data!.result.message, started);
    const status = async () =>
      (await client.GET("/api/collections/{uuid}/sync-status/", { params: of(COLLECTION) })).data!.result.status;
    while ((await status()) === "in_progress") await pause();
    check((await status()) === "completed", await status());
  },
  errors: async () => {
    const { error, response } = await client.GET("/api/collections/{uuid}/", { params: of(crypto.randomUUID()) });
    check(response.status === 404 && error!.info.error === "not_found", error);
  },
});
