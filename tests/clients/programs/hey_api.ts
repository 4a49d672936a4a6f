// What a client that hey-api has made does with the API; a line for each call.

import { API, COLLECTION, SIZE, TOKEN, check, pause, picture, run, send } from "./calls";
import { client } from "./generated/client.gen";
import * as api from "./generated/sdk.gen";

client.setConfig({ baseUrl: API, auth: (scheme) => (scheme.type === "http" ? TOKEN : `Token ${TOKEN}`) });

async function newCollection(): Promise<string> {
  const { data } = await api.createCollection({ body: { type: "managed", name: "of a client" } });
  return data!.result.collection.uuid;
}

await run({
  search: async () => {
    const { data } = await api.searchByText({ query: { query: "an owl", limit: 5, collection: [COLLECTION] } });
    check(data!.result.files.length === 5 && data!.info.files_count === 5, data);
    check(data!.result.files[0]!.file_name === "owl.jpg", data);
  },
  "picture search": async () => {
    const { data } = await api.searchByPicture({
      body: { file: picture("owl.jpg") },
      query: { limit: 3, collection: [COLLECTION] },
    });
    check(data!.result.files.length === 3 && data!.result.files[0]!.distance === 0, data);
  },
  upload: async () => {
    const { data } = await api.uploadPicture({
      path: { uuid: await newCollection() },
      body: { file: picture("one.jpg") },
    });
    check(data!.result.file === "one.jpg" && data!.result.mime_type === "image/jpeg", data);
  },
  "two-step upload": async () => {
    const uuid = await newCollection();
    const { data } = await api.prepareUpload({
      path: { uuid },
      body: { path: "two.jpg", size: SIZE, mime_type: "image/jpeg" },
    });
    await send(data!.result.form, "two.jpg");
    const completed = await api.completeUpload({ path: { uuid, id: data!.result.upload.id } });
    check(completed.data!.result.file === "two.jpg", completed);
    const files = await api.listFiles({ path: { uuid } });
    check(files.data!.result.files.map((file) => file.file_name).join() === "two.jpg", files);
  },
  list: async () => {
    const listed = await api.listCollections();
    check(listed.data!.result.collections.some((collection) => collection.uuid === COLLECTION), listed);
    const path = { uuid: COLLECTION };
    const page = await api.listFiles({ path, query: { limit: 10 } });
    check(page.data!.result.files.length === 10, page);
    const following = await api.listFiles({ path, query: { limit: 10, cursor: page.data!.info.next_cursor! } });
    check(following.data!.result.files[0]!.uuid !== page.data!.result.files[0]!.uuid, following);
    const account = await api.showAccount();
    check(account.data!.result.account.allowances.bytes.allowed > 2 ** 32, account);
  },
  sync: async () => {
    const path = { uuid: COLLECTION };
    const preview = await api.startSync({ path, body: { dry_run: true } });
    check(preview.data!.result.preview!.complete, preview);
    const started = await api.startSync({ path });
    check(started.data!.result.message, started);
    const status = async () => (await api.showSyncStatus({ path })).data!.result.status;
    while ((await status()) === "in_progress") await pause();
    check((await status()) === "completed", await status());
  },
  errors: async () => {
    const { error, response } = await api.showCollection({ path: { uuid: crypto.randomUUID() } });
    check(response!.status === 404 && error!.info.error === "not_found", error);
  },
});
