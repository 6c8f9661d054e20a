/* SPDX-License-Identifier: MIT */
/* Java's ways to connect: Loop http|nio|aio|client HOST PORT TEXT. */
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;

public class Loop {
	static void http(String host, int port, String text) throws Exception {
		URL url = new URL("http", host, port, "/say/" + text);
		for (int i = 0; i < 2; i++)
			System.out.println(new String(url.openConnection()
				.getInputStream().readAllBytes()).strip());
	}

	static void client(String host, int port, String text) throws Exception {
		HttpClient client = HttpClient.newBuilder()
			.version(HttpClient.Version.HTTP_1_1).build();
		URI uri = new URI("http://" + host + ":" + port + "/say/" + text);
		System.out.println(client.send(HttpRequest.newBuilder(uri).build(),
			HttpResponse.BodyHandlers.ofString()).body().strip());
	}

	static void nio(String host, int port, String text) throws Exception {
		Selector selector = Selector.open();
		int open = 5;
		for (int i = 0; i < open; i++) {
			SocketChannel c = SocketChannel.open();
			c.configureBlocking(false);
			c.connect(new InetSocketAddress(host, port));
			c.register(selector, SelectionKey.OP_CONNECT);
		}
		while (open > 0) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				SocketChannel c = (SocketChannel) key.channel();
				if (key.isConnectable()) {
					c.finishConnect();
					c.write(ByteBuffer.wrap(text.getBytes()));
					key.interestOps(SelectionKey.OP_READ);
				} else {
					ByteBuffer got = ByteBuffer.allocate(1000);
					c.read(got);
					System.out.println(new String(got.array(), 0, got.position()));
					c.close();
					open--;
				}
			}
			selector.selectedKeys().clear();
		}
	}

	static void aio(String host, int port, String text) throws Exception {
		AsynchronousSocketChannel c = AsynchronousSocketChannel.open();
		c.connect(new InetSocketAddress(host, port)).get();
		c.write(ByteBuffer.wrap(text.getBytes())).get();
		ByteBuffer got = ByteBuffer.allocate(1000);
		c.read(got).get();
		System.out.println(new String(got.array(), 0, got.position()));
		c.close();
	}

	public static void main(String[] args) throws Exception {
		int port = Integer.parseInt(args[2]);
		switch (args[0]) {
		case "http": http(args[1], port, args[3]); break;
		case "client": client(args[1], port, args[3]); break;
		case "nio": nio(args[1], port, args[3]); break;
		case "aio": aio(args[1], port, args[3]); break;
		}
	}
}
