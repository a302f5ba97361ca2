import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * The WebSocket client of the JDK, between this program's input and output.
 *
 * <p>Arguments: the address, and an access token. Each line of the input is sent as a message; one
 * that begins with a number and a space is sent in frames of so many characters. Each message that
 * comes is a line of the output; the last is {@code closed}, a code and a reason. The end of the
 * input closes the connection.
 */
public final class PlainClient implements WebSocket.Listener {
    private final StringBuilder parts = new StringBuilder();
    private final PrintStream output;

    private final CompletableFuture<Void> closed = new CompletableFuture<>();

    private PlainClient(PrintStream output) {
        this.output = output;
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        PlainClient client = new PlainClient(output);
        WebSocket socket =
                HttpClient.newHttpClient()
                        .newWebSocketBuilder()
                        .header("Authorization", "Bearer " + arguments[1])
                        .buildAsync(URI.create(arguments[0]), client)
                        .join();
        BufferedReader input =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            send(socket, line);
        }
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
        client.closed.join();
    }

    private static void send(WebSocket socket, String line) {
        int size = line.length();
        if (Character.isDigit(line.charAt(0))) {
            size = Integer.parseInt(line.substring(0, line.indexOf(' ')));
            line = line.substring(line.indexOf(' ') + 1);
        }
        for (int at = 0, end; at < line.length(); at = end) {
            end = Math.min(at + size, line.length());
            if (Character.isHighSurrogate(line.charAt(end - 1))) {
                end++; // a frame of the JDK's ends between two characters
            }
            socket.sendText(line.substring(at, end), end == line.length()).join();
        }
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
        parts.append(text);
        if (last) {
            output.println(parts);
            parts.setLength(0);
        }
        return WebSocket.Listener.super.onText(socket, text, last);
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        output.println("closed " + code + " " + reason);
        closed.complete(null);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        output.println("closed 1006 " + error);
        closed.complete(null);
    }
}
