import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Iterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Java's own client as it comes, which offers HTTP/2 with each request; asks, prints the answer's text, and resumes. */
class Reader {
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static final Pattern STREAM_URL = Pattern.compile("\"stream_url\": ?\"([^\"]*)\"");
    static final Pattern CHUNK = Pattern.compile("\\{\"chunk\": ?\"(.*)\"\\}");

    static String lastId = "";
    static boolean ended = false;

    public static void main(String[] words) throws Exception {
        URI base = URI.create(words[0]);
        String question = "{\"message\": \"hello\", \"session_id\": \"%s\", \"model\": \"%s\"}".formatted(words[1], words[2]);
        HttpRequest asking = HttpRequest.newBuilder(base.resolve("/chat"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(question))
            .build();
        Matcher accepted = STREAM_URL.matcher(CLIENT.send(asking, BodyHandlers.ofString()).body());
        if (!accepted.find()) throw new IllegalStateException("no stream_url");
        URI stream = base.resolve(accepted.group(1));
        while (!ended) {
            try {
                read(stream);
            } catch (IOException | java.io.UncheckedIOException cut) {
                System.err.println(cut);
            }
        }
    }

    static void read(URI stream) throws IOException, InterruptedException {
        HttpRequest.Builder reading = HttpRequest.newBuilder(stream);
        if (!lastId.isEmpty()) reading.header("Last-Event-ID", lastId);
        Iterator<String> lines = CLIENT.send(reading.build(), BodyHandlers.ofLines()).body().iterator();
        while (lines.hasNext()) {
            String line = lines.next();
            if (line.startsWith("id:")) lastId = line.substring(3).strip();
            Matcher chunk = CHUNK.matcher(line);
            if (chunk.find()) {
                System.out.print(chunk.group(1));
                System.out.flush();
            }
            ended |= line.contains("\"type\":\"done\"");
        }
    }
}
