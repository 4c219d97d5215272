// The upstream of the proxy shapes: keep-alive HTTP/1.1 on one thread of epoll, as little as an
// honest server can do. `GET /b/N` answers N bytes (at most 4 MiB), anything else 100. Large bodies
// go out with sendfile, so that the upstream is never what is measured.
//
//     wrk_upstream PORT

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr size_t body_bytes_max = 4 << 20;
constexpr size_t sendfile_bytes_min = 16384;

struct Connection {
    std::string received;
    off_t offset = 0;
    size_t left = 0;  // Of a body that goes out with sendfile.
};

class Server {
 public:
    explicit Server(uint16_t port) : body_fd_(memfd_create("body", 0)) {
        body_.resize(body_bytes_max);
        for (size_t i = 0; i < body_.size(); ++i) body_[i] = static_cast<char>('a' + i % 26);
        check(write(body_fd_, body_.data(), body_.size()) == static_cast<ssize_t>(body_.size()),
              "memfd");
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int one = 1;
        setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        check(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
        check(listen(listener_, 4096) == 0, "listen");
        watch(listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        for (;;) {
            epoll_event events[256];
            int count = epoll_wait(epoll_, events, 256, -1);
            for (int i = 0; i < count; ++i) {
                if (events[i].data.fd == listener_)
                    accept_all();
                else if (!serve(events[i].data.fd))
                    drop(events[i].data.fd);
            }
        }
    }

 private:
    static void check(bool good, const char* what) {
        if (good) return;
        perror(what);
        exit(1);
    }

    void watch(int fd, uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }

    void accept_all() {
        for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            connections_.emplace(fd, Connection{});
            watch(fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);
        }
    }

    void drop(int fd) {
        connections_.erase(fd);
        close(fd);
    }

    // False when the connection is over.
    bool serve(int fd) {
        Connection& connection = connections_.at(fd);
        if (!flush(fd, connection)) return false;
        char buffer[65536];
        for (;;) {
            ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got == 0) return false;
            if (got < 0) return errno == EAGAIN;
            connection.received.append(buffer, static_cast<size_t>(got));
            for (size_t end; connection.left == 0 &&
                             (end = connection.received.find("\r\n\r\n")) != std::string::npos;) {
                bool good = answer(fd, connection, connection.received);
                connection.received.erase(0, end + 4);
                if (!good) return false;
            }
        }
    }

    bool answer(int fd, Connection& connection, std::string_view head) {
        size_t size = 100;
        if (head.starts_with("GET /b/")) size = static_cast<size_t>(atol(head.data() + 7));
        if (size > body_bytes_max) return false;
        char text[128];
        int count = snprintf(text, sizeof text,
                             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu"
                             "\r\n\r\n", size);
        out_.assign(text, static_cast<size_t>(count));
        bool by_file = size >= sendfile_bytes_min;
        if (!by_file) out_.append(body_, 0, size);
        ssize_t sent = send(fd, out_.data(), out_.size(), by_file ? MSG_MORE : 0);
        if (sent != static_cast<ssize_t>(out_.size())) return false;
        connection.offset = 0;
        connection.left = by_file ? size : 0;
        return flush(fd, connection);
    }

    bool flush(int fd, Connection& connection) {
        while (connection.left > 0) {
            ssize_t sent = sendfile(fd, body_fd_, &connection.offset, connection.left);
            if (sent <= 0) return errno == EAGAIN;
            connection.left -= static_cast<size_t>(sent);
        }
        return true;
    }

    int body_fd_;
    int epoll_ = epoll_create1(0);
    int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    std::string body_;
    std::string out_;
    std::unordered_map<int, Connection> connections_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fputs("usage: wrk_upstream PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    Server(static_cast<uint16_t>(atoi(argv[1]))).run();
}
