// What a client in Java that openapi-generator has made does with the API; a line for each call.

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AccountApi;
import org.openapitools.client.api.CollectionsApi;
import org.openapitools.client.api.FilesApi;
import org.openapitools.client.api.SearchApi;
import org.openapitools.client.api.SynchronizationApi;
import org.openapitools.client.api.UploadsApi;
import org.openapitools.client.model.CollectionDefinition;
import org.openapitools.client.model.ManagedCollectionDefinition;
import org.openapitools.client.model.Refusal;
import org.openapitools.client.model.SyncOptions;
import org.openapitools.client.model.UploadDefinition;

public class OpenapiGenerator {
  interface Call {
    void run() throws Exception;
  }

  static final File PICTURE = new File(System.getenv("PICTURE"));
  static final UUID COLLECTION = UUID.fromString(System.getenv("COLLECTION"));
  static final ApiClient CLIENT = new ApiClient();

  static {
    CLIENT.updateBaseUri(System.getenv("API"));
    String token = "Token " + System.getenv("TOKEN");
    CLIENT.setRequestInterceptor(request -> request.header("Authorization", token));
  }

  static final SearchApi SEARCHES = new SearchApi(CLIENT);
  static final CollectionsApi COLLECTIONS = new CollectionsApi(CLIENT);
  static final UploadsApi UPLOADS = new UploadsApi(CLIENT);
  static final FilesApi FILES = new FilesApi(CLIENT);
  static final SynchronizationApi SYNCS = new SynchronizationApi(CLIENT);

  static void check(boolean condition, Object what) {
    if (!condition) throw new IllegalStateException("unexpected: " + what);
  }

  static UUID newCollection() throws ApiException {
    var managed = new ManagedCollectionDefinition().type(ManagedCollectionDefinition.TypeEnum.MANAGED).name("of a client");
    var request = CollectionsApi.APICreateCollectionRequest.newBuilder()
        .collectionDefinition(new CollectionDefinition(managed)).build();
    return COLLECTIONS.createCollection(request).getResult().getCollection().getUuid();
  }

  static void search() throws Exception {
    var request = SearchApi.APISearchByTextRequest.newBuilder()
        .query("an owl").limit(5L).collection(List.of(COLLECTION)).build();
    var files = SEARCHES.searchByText(request).getResult().getFiles();
    check(files.size() == 5 && files.get(0).getFileName().equals("owl.jpg"), files);
  }

  static void pictureSearch() throws Exception {
    var request = SearchApi.APISearchByPictureRequest.newBuilder()
        ._file(PICTURE).limit(3L).collection(List.of(COLLECTION)).build();
    var files = SEARCHES.searchByPicture(request).getResult().getFiles();
    check(files.size() == 3 && files.get(0).getDistance() == 0, files);
  }

  static void upload() throws Exception {
    var request = UploadsApi.APIUploadPictureRequest.newBuilder().uuid(newCollection())._file(PICTURE).build();
    var stored = UPLOADS.uploadPicture(request).getResult();
    check(stored.getFile().equals("owl.jpg") && stored.getMimeType().equals("image/jpeg"), stored);
  }

  static void twoStepUpload() throws Exception {
    UUID uuid = newCollection();
    var definition = new UploadDefinition().path("two.jpg").size(PICTURE.length())
        .mimeType(UploadDefinition.MimeTypeEnum.IMAGE_JPEG);
    var prepared = UPLOADS.prepareUpload(UploadsApi.APIPrepareUploadRequest.newBuilder()
        .uuid(uuid).uploadDefinition(definition).build()).getResult();
    send(prepared.getForm().getUrl(), prepared.getForm().getFields());
    var completed = UPLOADS.completeUpload(UploadsApi.APICompleteUploadRequest.newBuilder()
        .uuid(uuid).id(prepared.getUpload().getId()).build()).getResult();
    var files = FILES.listFiles(FilesApi.APIListFilesRequest.newBuilder().uuid(uuid).build()).getResult().getFiles();
    check(completed.getFile().equals("two.jpg") && files.get(0).getFileName().equals("two.jpg"), files);
  }

  static void send(URI url, Map<String, String> fields) throws Exception {
    String boundary = "frontier-" + UUID.randomUUID();
    var body = new ByteArrayOutputStream();
    for (var field : fields.entrySet()) {
      String part = "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n";
      body.write(part.formatted(boundary, field.getKey(), field.getValue()).getBytes(StandardCharsets.UTF_8));
    }
    String head = "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"two.jpg\"\r\n\r\n";
    body.write(head.formatted(boundary).getBytes(StandardCharsets.UTF_8));
    body.write(Files.readAllBytes(PICTURE.toPath()));
    body.write("\r\n--%s--\r\n".formatted(boundary).getBytes(StandardCharsets.UTF_8));
    var request = HttpRequest.newBuilder(url).header("Content-Type", "multipart/form-data; boundary=" + boundary)
        .POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray())).build();
    var sent = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    check(sent.statusCode() < 300, sent.body());
  }

  static void list() throws Exception {
    check(!COLLECTIONS.listCollections().getResult().getCollections().isEmpty(), "no collection");
    var first = FILES.listFiles(FilesApi.APIListFilesRequest.newBuilder().uuid(COLLECTION).limit(10L).build());
    var following = FILES.listFiles(FilesApi.APIListFilesRequest.newBuilder()
        .uuid(COLLECTION).limit(10L).cursor(first.getInfo().getNextCursor()).build());
    check(first.getResult().getFiles().size() == 10, first);
    UUID one = first.getResult().getFiles().get(0).getUuid();
    check(!following.getResult().getFiles().get(0).getUuid().equals(one), following);
    var account = new AccountApi(CLIENT).showAccount().getResult().getAccount();
    check(account.getAllowances().getBytes().getAllowed() > 1L << 32, account);
  }

  static void sync() throws Exception {
    var request = SynchronizationApi.APIStartSyncRequest.newBuilder().uuid(COLLECTION);
    var preview = SYNCS.startSync(request.syncOptions(new SyncOptions().dryRun(true)).build()).getResult();
    check(preview.getPreview().getComplete(), preview);
    var without = SynchronizationApi.APIStartSyncRequest.newBuilder().uuid(COLLECTION).build();
    check(SYNCS.startSync(without).getResult().getMessage() != null, "no message");
    var status = SynchronizationApi.APIShowSyncStatusRequest.newBuilder().uuid(COLLECTION).build();
    while (SYNCS.showSyncStatus(status).getResult().getStatus().equals("in_progress")) Thread.sleep(200);
    check(SYNCS.showSyncStatus(status).getResult().getStatus().equals("completed"), "the sync did not complete");
  }

  static void errors() throws Exception {
    try {
      COLLECTIONS.showCollection(CollectionsApi.APIShowCollectionRequest.newBuilder().uuid(UUID.randomUUID()).build());
    } catch (ApiException error) {
      var refusal = CLIENT.getObjectMapper().readValue(error.getResponseBody(), Refusal.class);
      check(error.getCode() == 404 && refusal.getInfo().getError().equals("not_found"), refusal);
      return;
    }
    check(false, "no error");
  }

  public static void main(String[] arguments) {
    var calls = new LinkedHashMap<String, Call>();
    calls.put("search", OpenapiGenerator::search);
    calls.put("picture search", OpenapiGenerator::pictureSearch);
    calls.put("upload", OpenapiGenerator::upload);
    calls.put("two-step upload", OpenapiGenerator::twoStepUpload);
    calls.put("list", OpenapiGenerator::list);
    calls.put("sync", OpenapiGenerator::sync);
    calls.put("errors", OpenapiGenerator::errors);
    calls.forEach((name, call) -> {
      try {
        call.run();
        System.out.println(name + ": ok");
      } catch (Exception error) {
        System.out.println(name + ": " + String.valueOf(error).replace("\n", " "));
      }
    });
    System.exit(0);
  }
}
