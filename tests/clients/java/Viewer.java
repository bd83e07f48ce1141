import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLSocketFactory;

/**
 * Opens a console URL as the Java viewers of xvpvnc do: a CONNECT of one line, then RFB on the same stream.
 *
 * <p>Prints the desktop's size and name once the first rectangle has come. What the old viewers cannot do is an error
 * here too: a URL without a port, an answer that does not begin with "HTTP/1.1 200 ", any security type but None.
 */
public final class Viewer {
    private static final int NONE = 1;
    private static final int DEADLINE_MILLIS = 20_000;

    public static void main(String[] args) throws IOException {
        URL url = new URL(args[0]);
        if (url.getPort() == -1) {
            fail("the URL has no port");
        }
        try (Socket socket = new Socket(url.getHost(), url.getPort())) {
            socket.setSoTimeout(DEADLINE_MILLIS);
            if (url.getProtocol().equals("https")) {
                SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
                try (Socket tls = factory.createSocket(socket, url.getHost(), url.getPort(), true)) {
                    view(tls, url);
                }
            } else {
                view(socket, url);
            }
        }
    }

    private static void view(Socket socket, URL url) throws IOException {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        OutputStream out = socket.getOutputStream();
        write(out, "CONNECT " + url.getFile() + " HTTP/1.0\r\n\r\n");
        String status = line(in);
        if (!status.startsWith("HTTP/1.1 200 ")) {
            fail("Proxy reports \"" + status.substring(status.indexOf(' ') + 1) + "\"");
        }
        while (!line(in).isEmpty()) {
            // Headers say nothing to a viewer.
        }
        handshake(in, out);
        int width = in.readUnsignedShort();
        int height = in.readUnsignedShort();
        in.skipBytes(16);
        byte[] name = in.readNBytes(in.readInt());
        // FramebufferUpdateRequest, RFC 6143 section 7.5.3: all of it, raw.
        out.write(new byte[] {3, 0, 0, 0, 0, 0, (byte) (width >> 8), (byte) width, (byte) (height >> 8), (byte) height});
        int type = in.readUnsignedByte();
        in.skipBytes(1);
        int rectangles = in.readUnsignedShort();
        if (type != 0 || rectangles == 0) {
            fail("no pixels came, but message " + type);
        }
        System.out.println(width + "x" + height + " " + new String(name, StandardCharsets.UTF_8));
    }

    private static void handshake(DataInputStream in, OutputStream out) throws IOException {
        String version = new String(in.readNBytes(12), StandardCharsets.US_ASCII);
        if (!version.equals("RFB 003.008\n")) {
            fail("the version is " + version.trim());
        }
        write(out, version);
        int types = in.readUnsignedByte();
        if (types != 1 || in.readUnsignedByte() != NONE) {
            fail("other security types than None are offered");
        }
        out.write(NONE);
        int result = in.readInt();
        if (result != 0) {
            fail("the security result is " + result);
        }
        out.write(1);
    }

    private static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.US_ASCII));
        out.flush();
    }

    private static String line(DataInputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.readUnsignedByte(); c != '\n'; c = in.readUnsignedByte()) {
            line.append((char) c);
        }
        return line.toString().stripTrailing();
    }

    private static void fail(String sentence) {
        System.err.println(sentence);
        System.exit(1);
    }
}
