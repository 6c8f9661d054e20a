// SPDX-License-Identifier: MIT
// A C++ program that reads and writes a socket by iostreams, as libstdc++
// allows: filebuf HOST PORT WORD.  Prints what came back.
#include <ext/stdio_filebuf.h>
#include <iostream>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

static int dial(const char *host, const char *port)
{
	addrinfo hints{}, *list = nullptr;

	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(host, port, &hints, &list))
		return -1;
	int fd = socket(list->ai_family, list->ai_socktype, 0);
	if (connect(fd, list->ai_addr, list->ai_addrlen) < 0)
		fd = -1;
	freeaddrinfo(list);
	return fd;
}

int main(int argc, char **argv)
{
	int fd = argc == 4 ? dial(argv[1], argv[2]) : -1;
	if (fd < 0)
		return 2;
	__gnu_cxx::stdio_filebuf<char> in_buf(dup(fd), std::ios::in);
	__gnu_cxx::stdio_filebuf<char> out_buf(fd, std::ios::out);
	std::istream in(&in_buf);
	std::ostream out(&out_buf);
	std::string line;

	for (int i = 0; i < 3; i++) {
		out << argv[3] << ' ' << i << std::endl;
		if (!std::getline(in, line))
			return 3;
		std::cout << "got " << line << '\n';
	}
	out << std::string(100000, 'x') << std::endl;
	std::getline(in, line);
	std::cout << "long " << line.size() << '\n';
	shutdown(fd, SHUT_WR);
	std::cout << "end " << !std::getline(in, line) << '\n';
	return 0;
}
