// What a client that openapi-generator has made for TypeScript's fetch does with the API; a line for each call.

import { API, COLLECTION, SIZE, TOKEN, check, pause, picture, run, send } from "./calls";
import * as api from "./generated";

const configuration = new api.Configuration({ basePath: API, apiKey: `Token ${TOKEN}` });
const searches = new api.SearchApi(configuration);
const collections = new api.CollectionsApi(configuration);
const uploads = new api.UploadsApi(configuration);
const files = new api.FilesApi(configuration);
const syncs = new api.SynchronizationApi(configuration);
const accounts = new api.AccountApi(configuration);

async function newCollection(): Promise<string> {
  const answer = await collections.createCollection({
    collectionDefinition: { type: "managed", name: "of a client" },
  });
  return answer.result.collection.uuid;
}

await run({
  search: async () => {
    const answer = await searches.searchByText({ query: "an owl", limit: 5, collection: [COLLECTION] });
    check(answer.result.files.length === 5 && answer.info.filesCount === 5, answer);
    check(answer.result.files[0]!.fileName === "owl.jpg", answer);
  },
  "picture search": async () => {
    const answer = await searches.searchByPicture({ file: picture("owl.jpg"), limit: 3, collection: [COLLECTION] });
    check(answer.result.files.length === 3 && answer.result.files[0]!.distance === 0, answer);
  },
  upload: async () => {
    const answer = await uploads.uploadPicture({ uuid: await newCollection(), file: picture("one.jpg") });
    check(answer.result.file === "one.jpg" && answer.result.mimeType === "image/jpeg", answer);
  },
  "two-step upload": async () => {
    const uuid = await newCollection();
    const uploadDefinition = { path: "two.jpg", size: SIZE, mimeType: "image/jpeg" as const };
    const prepared = (await uploads.prepareUpload({ uuid, uploadDefinition })).result;
    await send(prepared.form, "two.jpg");
    const completed = await uploads.completeUpload({ uuid, id: prepared.upload.id });
    check(completed.result.file === "two.jpg", completed);
    const listed = await files.listFiles({ uuid });
    check(listed.result.files.map((file) => file.fileName).join() === "two.jpg", listed);
  },
  list: async () => {
    const listed = await collections.listCollections();
    check(listed.result.collections.some((collection) => collection.uuid === COLLECTION), listed);
    const page = await files.listFiles({ uuid: COLLECTION, limit: 10 });
    check(page.result.files.length === 10, page);
    const following = await files.listFiles({ uuid: COLLECTION, limit: 10, cursor: page.info.nextCursor! });
    check(following.result.files[0]!.uuid !== page.result.files[0]!.uuid, following);
    const account = await accounts.showAccount();
    check(account.result.account.allowances.bytes.allowed > 2 ** 32, account);
  },
  sync: async () => {
    const preview = await syncs.startSync({ uuid: COLLECTION, syncOptions: { dryRun: true } });
    check(preview.result.preview!.complete, preview);
    check((await syncs.startSync({ uuid: COLLECTION })).result.message, "no message");
    const status = async () => (await syncs.showSyncStatus({ uuid: COLLECTION })).result.status;
    while ((await status()) === "in_progress") await pause();
    check((await status()) === "completed", await status());
  },
  errors: async () => {
    try {
      await collections.showCollection({ uuid: crypto.randomUUID() });
    } catch (error) {
      check(error instanceof api.ResponseError, error);
      const refusal = api.RefusalFromJSON(await error.response.json());
      check(error.response.status === 404 && refusal.info.error === "not_found", refusal);
      return;
    }
    check(false, "no error");
  },
});
