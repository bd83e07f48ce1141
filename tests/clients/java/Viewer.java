import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.IntStream;
import javax.net.ssl.SSLSocketFactory;

/**
 * Opens a console URL as the Java viewers of xvpvnc do: a CONNECT of one line, then RFB on the same
 * stream.
 *
 * <p>Prints the desktop's size and name once a picture of more than one colour has arrived. A
 * second argument is a line to type, after which it prints "the picture changed" as soon as it
 * does. The limits of the old viewers are errors here too: a URL without a port, an answer that
 * does not begin with "HTTP/1.1 200 ", any security type but None.
 */
public final class Viewer {
    private static final int NONE = 1;
    private static final int ENTER = 0xff0d;
    private static final int DEADLINE_MILLIS = 20_000;

    public static void main(String[] args) throws IOException {
        URL url = new URL(args[0]);
        String line = args.length > 1 ? args[1] : "";
        if (url.getPort() == -1) {
            fail("the URL has no port");
        }
        try (Socket socket = new Socket(url.getHost(), url.getPort())) {
            socket.setSoTimeout(DEADLINE_MILLIS);
            if (url.getProtocol().equals("https")) {
                SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
                try (Socket tls = factory.createSocket(socket, url.getHost(), url.getPort(), true)) {
                    view(tls, url, line);
                }
            } else {
                view(socket, url, line);
            }
        }
    }

    private static void view(Socket socket, URL url, String typed) throws IOException {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        OutputStream out = socket.getOutputStream();
        write(out, "CONNECT " + url.getFile() + " HTTP/1.0\r\n\r\n");
        String status = line(in);
        if (!status.startsWith("HTTP/1.1 200 ")) {
            fail("Proxy reports \"" + status.substring(status.indexOf(' ') + 1) + "\"");
        }
        while (!line(in).isEmpty()) {
            // Headers have no meaning for a viewer.
        }
        handshake(in, out);
        int width = in.readUnsignedShort();
        int height = in.readUnsignedShort();
        byte[] format = in.readNBytes(16);
        if (format[0] != 32) {
            fail("a pixel has " + format[0] + " bits");
        }
        String name = new String(in.readNBytes(in.readInt()), StandardCharsets.UTF_8);
        int[] pixels = new int[width * height];
        ask(out, false, width, height);
        update(in, pixels, width);
        while (Arrays.stream(pixels).allMatch(pixel -> pixel == pixels[0])) {
            ask(out, true, width, height);
            update(in, pixels, width);
        }
        System.out.println(width + "x" + height + " " + name);
        if (!typed.isEmpty()) {
            int[] before = pixels.clone();
            type(out, typed);
            while (Arrays.equals(pixels, before)) {
                ask(out, true, width, height);
                update(in, pixels, width);
            }
            System.out.println("the picture changed");
        }
    }

    /** FramebufferUpdateRequest, RFC 6143 section 7.5.3, for the whole screen. */
    private static void ask(OutputStream out, boolean incremental, int width, int height) throws IOException {
        ByteBuffer request = ByteBuffer.allocate(10);
        request.put((byte) 3).put((byte) (incremental ? 1 : 0)).putInt(0).putShort((short) width).putShort((short) height);
        out.write(request.array());
    }

    /** FramebufferUpdate, RFC 6143 section 7.6.1: raw, the only requested encoding. */
    private static void update(DataInputStream in, int[] pixels, int width) throws IOException {
        int type = in.readUnsignedByte();
        in.skipBytes(1);
        int rectangles = in.readUnsignedShort();
        if (type != 0 || rectangles == 0) {
            fail("instead of pixels came message " + type);
        }
        for (; rectangles > 0; rectangles--) {
            int left = in.readUnsignedShort();
            int top = in.readUnsignedShort();
            int across = in.readUnsignedShort();
            int down = in.readUnsignedShort();
            if (in.readInt() != 0) {
                fail("a rectangle is not raw");
            }
            IntBuffer rows = ByteBuffer.wrap(in.readNBytes(4 * across * down)).asIntBuffer();
            for (int y = top; y < top + down; y++) {
                rows.get(pixels, y * width + left, across);
            }
        }
    }

    /** KeyEvents, RFC 6143 section 7.5.4: each key down and up, and Enter at the end. */
    private static void type(OutputStream out, String line) throws IOException {
        for (int key : IntStream.concat(line.chars(), IntStream.of(ENTER)).toArray()) {
            for (int down = 1; down >= 0; down--) {
                out.write(ByteBuffer.allocate(8).put((byte) 4).put((byte) down).putShort((short) 0).putInt(key).array());
            }
        }
    }

    private static void handshake(DataInputStream in, OutputStream out) throws IOException {
        String version = new String(in.readNBytes(12), StandardCharsets.US_ASCII);
        if (!version.equals("RFB 003.008\n")) {
            fail("the version is " + version.trim());
        }
        write(out, version);
        int types = in.readUnsignedByte();
        if (types != 1 || in.readUnsignedByte() != NONE) {
            fail("security types other than None are offered");
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
