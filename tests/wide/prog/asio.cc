/* SPDX-License-Identifier: MIT */
/* asio registers a socket in epoll, edge-triggered, before it connects:
 * asio HOST PORT TEXT echoes the text over ten connections at once. */
#include <asio.hpp>
#include <iostream>
#include <memory>

struct Echo : std::enable_shared_from_this<Echo> {
	asio::ip::tcp::socket socket;
	std::string text, got;

	Echo(asio::io_context &io, std::string t)
		: socket(io), text(std::move(t)), got(text.size(), ' ')
	{
	}
	void start(const asio::ip::tcp::resolver::results_type &where)
	{
		auto self = shared_from_this();
		asio::async_connect(socket, where, [self](auto error, auto) {
			if (error)
				throw std::system_error(error);
			self->talk();
		});
	}
	void talk()
	{
		auto self = shared_from_this();
		asio::async_write(socket, asio::buffer(text),
			[self](auto, auto) {});
		asio::async_read(socket, asio::buffer(got),
			[self](auto error, auto) {
				if (error || self->got != self->text)
					throw std::runtime_error("not echoed");
				std::cout << "echoed\n";
			});
	}
};

int main(int, char **argv)
{
	asio::io_context io;
	auto where = asio::ip::tcp::resolver(io).resolve(argv[1], argv[2]);

	for (int i = 0; i < 10; i++)
		std::make_shared<Echo>(io, argv[3] + std::string(i * 9999, 'x'))
			->start(where);
	io.run();
}
