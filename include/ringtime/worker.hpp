#pragma once
// The worker SDK for C++17, over worker.h; header only. Ten lines make an app:
//
//     #include <ringtime/worker.hpp>
//     using namespace ringtime::worker;
//
//     struct Hello {
//         Response fetch(const Request& request) {
//             return Response::text("hello from " + std::string(request.path()) + "\n");
//         }
//     };
//     RINGTIME_APP(Hello)                        // a module (.so)
//     // int main() { return ringtime::worker::serve(Hello{}); }   a program, linked with
//     libringtime_worker
//
// An app is a type with some of these members:
//
//     Response fetch(const Request&)             one answer per call; the whole app is one thread
//     void fetch(Responder)                      asynchronous: answer now or later; needs
//     `concurrency` static constexpr unsigned concurrency      requests at once; asynchronous apps
//     choose it Routes routes()                            asked once: a table tried before fetch
//     void on_idle(); void on_terminate();
//
// Exceptions that leave a handler become a 500 and a line on stderr. Texts of a Request are
// borrowed: valid until the handler returns its Response, or the Responder was answered.

#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ringtime/worker.h"

namespace ringtime::worker {

namespace detail {
inline const rtw_api*& api() {
    static const rtw_api* table = nullptr;
    return table;
}
inline std::string_view view(rtw_text text) {
    return text.data ? std::string_view(text.data, text.size) : std::string_view();
}
inline rtw_text text(std::string_view view) {
    rtw_text result;
    result.data = view.data();
    result.size = view.size();
    return result;
}
}  // namespace detail

using Header = std::pair<std::string, std::string>;

/// One request, as long as it is handled.
class Request {
  public:
    explicit Request(rtw_request* handle) : handle_(handle), head_(detail::api()->head(handle)) {}

    std::string_view method() const { return span(head_->method_text); }
    /// Canonical, below the app's base: always begins with `/`.
    std::string_view path() const { return span(head_->path); }
    std::string_view query() const { return span(head_->query); }
    std::string_view host() const { return span(head_->host); }
    std::string_view base() const { return span(head_->base); }
    std::string_view peer() const { return span(head_->peer); }
    std::string_view id() const { return span(head_->request_id); }
    std::string_view scheme() const { return head_->scheme == RTW_SCHEME_HTTPS ? "https" : "http"; }
    /// The first field of this name; nothing when there is none.
    std::optional<std::string_view> header(std::string_view name) const {
        rtw_text value = rtw_find(head_, detail::text(name));
        return value.data ? std::optional(detail::view(value)) : std::nullopt;
    }
    template <typename Visit>
    void each_header(Visit&& visit) const {
        for (unsigned i = 0; i < head_->field_count; ++i)
            visit(detail::view(rtw_field_name(head_, &rtw_fields(head_)[i])),
                  detail::view(rtw_field_value(head_, &rtw_fields(head_)[i])));
    }
    /// The segment that `:name` stood for in the route that matched.
    std::string_view param(std::string_view name) const {
        for (const auto& [key, value] : params_)
            if (key == name) return value;
        return {};
    }
    /// The client asked to change protocols and an answer 101 is allowed.
    bool upgrade() const { return (head_->flags & RTW_REQUEST_UPGRADE) != 0; }
    /// Bytes of the body when they are known in advance.
    std::optional<uint64_t> body_length() const {
        if (head_->body_length == RTW_UNKNOWN_LENGTH) return std::nullopt;
        return head_->body_length;
    }
    /// The next part of the body, waiting for it; empty at its end. Valid until the next call.
    std::string_view read() const {
        rtw_text part{};
        rtw_read result = detail::api()->read_wait(handle_, &part);
        return result == RTW_READ_DATA ? detail::view(part) : std::string_view();
    }
    /// The whole body, at most `limit` bytes of it.
    std::string text(size_t limit = 16 * 1024 * 1024) const {
        std::string all;
        for (std::string_view part; !(part = read()).empty();) {
            if (all.size() + part.size() > limit)
                throw std::length_error("the request's body is too large");
            all.append(part);
        }
        return all;
    }
    rtw_request* handle() const { return handle_; }

  private:
    friend class Routes;
    std::string_view span(rtw_span value) const {
        return detail::view(rtw_span_text(head_, value));
    }

    rtw_request* handle_;
    const rtw_request_head* head_;
    mutable std::vector<std::pair<std::string_view, std::string_view>> params_;
};

/// Where a streaming answer is written to. Waits for slow readers.
class Stream {
  public:
    explicit Stream(rtw_request* handle) : handle_(handle) {}
    /// False when nobody reads any more: stop producing.
    bool write(std::string_view data) {
        return detail::api()->write(handle_, data.data(), data.size()) == 0;
    }
    /// What was written goes out now.
    void flush() { detail::api()->flush(handle_); }

  private:
    rtw_request* handle_;
};

/// The bytes of a connection after a 101: both ways, in the client's own protocol.
class Socket : public Stream {
  public:
    explicit Socket(rtw_request* handle) : Stream(handle), handle_(handle) {}
    /// The next bytes, waiting for them; empty when the client has finished or gone. Valid until
    /// the next call.
    std::string_view read() {
        rtw_text part{};
        flush();  // What was said may be what the client waits for.
        rtw_read result = detail::api()->read_wait(handle_, &part);
        return result == RTW_READ_DATA ? detail::view(part) : std::string_view();
    }
    /// The same without waiting: nothing when there is nothing now.
    std::optional<std::string_view> poll() {
        rtw_text part{};
        rtw_read result = detail::api()->read(handle_, &part);
        if (result == RTW_READ_PENDING) return std::nullopt;
        return result == RTW_READ_DATA ? detail::view(part) : std::string_view();
    }

  private:
    rtw_request* handle_;
};

class Response {
  public:
    unsigned status = 200;
    std::vector<Header> headers;
    std::string body;
    /// When set, produces the body instead.
    std::function<void(Stream&)> stream;
    /// Of what `stream` produces, when it is known.
    std::optional<uint64_t> length;
    /// With status 101: takes the connection over.
    std::function<void(Socket&)> tunnel;

    Response() = default;
    explicit Response(unsigned code) : status(code) {}
    static Response text(std::string content, unsigned code = 200) {
        return make(std::move(content), "text/plain; charset=utf-8", code);
    }
    static Response html(std::string content, unsigned code = 200) {
        return make(std::move(content), "text/html; charset=utf-8", code);
    }
    static Response json(std::string content, unsigned code = 200) {
        return make(std::move(content), "application/json", code);
    }
    static Response redirect(std::string location, unsigned code = 302) {
        Response response(code);
        response.headers.emplace_back("location", std::move(location));
        return response;
    }
    /// The file as it is now, in pieces; 404 when it cannot be read.
    static Response file(const std::string& path, std::string type) {
        auto in = std::make_shared<std::ifstream>(path, std::ios::binary | std::ios::ate);
        if (!*in || in->tellg() < 0) return text("not found\n", 404);
        auto size = static_cast<uint64_t>(in->tellg());
        in->seekg(0);
        Response response = streaming(std::move(type), [in, size](Stream& out) {
            std::vector<char> part(size < 65536 ? static_cast<size_t>(size) : 65536);
            uint64_t left = size;
            while (left > 0) {
                auto count = static_cast<size_t>(left < part.size() ? left : part.size());
                if (!in->read(part.data(), static_cast<std::streamsize>(count)))
                    throw std::runtime_error("the file has become shorter");
                if (!out.write({part.data(), count})) return;
                left -= count;
            }
        });
        response.length = size;
        return response;
    }
    /// Changes the protocol, where the client asked for it (Request::upgrade()); `talk` has the
    /// connection until it returns.
    static Response switching(std::string protocol, std::function<void(Socket&)> talk) {
        Response response(101);
        response.headers.emplace_back("upgrade", std::move(protocol));
        response.tunnel = std::move(talk);
        return response;
    }
    static Response streaming(std::string type, std::function<void(Stream&)> producer) {
        Response response = make({}, std::move(type), 200);
        response.stream = std::move(producer);
        return response;
    }
    /// Server-sent events: `producer` writes `data: ...\n\n` and flushes.
    static Response events(std::function<void(Stream&)> producer) {
        Response response = streaming("text/event-stream", std::move(producer));
        response.headers.emplace_back("cache-control", "no-store");
        return response;
    }
    Response&& header(std::string name, std::string value) && {
        headers.emplace_back(std::move(name), std::move(value));
        return std::move(*this);
    }

  private:
    static Response make(std::string content, std::string type, unsigned code) {
        Response response(code);
        response.body = std::move(content);
        response.headers.emplace_back("content-type", std::move(type));
        return response;
    }
};

namespace detail {

inline void answer(rtw_request* handle, const Response& response) {
    constexpr size_t on_stack = 16;
    rtw_header few[on_stack];
    std::vector<rtw_header> many;
    rtw_header* fields = few;
    if (response.headers.size() > on_stack) {
        many.resize(response.headers.size());
        fields = many.data();
    }
    for (size_t i = 0; i < response.headers.size(); ++i) {
        fields[i].name = text(response.headers[i].first);
        fields[i].value = text(response.headers[i].second);
    }
    if (!response.stream && !response.tunnel) {
        api()->respond(handle, response.status, fields, response.headers.size(),
                       response.body.data(), response.body.size());
        return;
    }
    if (api()->start(handle, response.status, fields, response.headers.size(),
                     response.length.value_or(RTW_UNKNOWN_LENGTH)) != 0) {
        api()->respond(handle, 500, nullptr, 0, nullptr, 0);
        return;
    }
    Socket stream(handle);
    try {
        if (response.tunnel) {
            response.tunnel(stream);
        } else {
            response.stream(stream);
        }
    } catch (...) {
        api()->fail(handle);  // The client sees a cut, never a clean end.
        throw;
    }
    api()->finish(handle);
}

template <typename Action>
bool guarded(const char* where, Action&& action) noexcept {
    try {
        action();
        return true;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", where, error.what());
    } catch (...) {
        std::fprintf(stderr, "%s: an exception of unknown type\n", where);
    }
    return false;
}

}  // namespace detail

/// A request that may be answered later, once. One that is dropped unanswered is answered 500.
class Responder {
  public:
    explicit Responder(rtw_request* handle) : handle_(handle) {}
    Responder(Responder&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Responder& operator=(Responder&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Responder() {
        if (handle_) detail::api()->respond(handle_, 500, nullptr, 0, nullptr, 0);
    }
    Request request() const { return Request(handle_); }
    void answer(const Response& response) {
        detail::answer(std::exchange(handle_, nullptr), response);
    }
    /// The client has gone; answering is harmless and tells nobody.
    bool cancelled() const { return detail::api()->aborted(handle_) != 0; }

  private:
    rtw_request* handle_;
};

/// A table of paths. `:name` takes one segment, `*` at the end the rest. The first that matches
/// wins.
class Routes {
  public:
    using Handler = std::function<Response(const Request&)>;

    Routes& on(std::string method, std::string pattern, Handler handler) {
        entries_.push_back({std::move(method), split(pattern), std::move(handler), pattern});
        return *this;
    }
    Routes& get(std::string pattern, Handler handler) {
        return on("GET", std::move(pattern), std::move(handler));
    }
    Routes& post(std::string pattern, Handler handler) {
        return on("POST", std::move(pattern), std::move(handler));
    }
    Routes& put(std::string pattern, Handler handler) {
        return on("PUT", std::move(pattern), std::move(handler));
    }
    Routes& patch(std::string pattern, Handler handler) {
        return on("PATCH", std::move(pattern), std::move(handler));
    }
    Routes& del(std::string pattern, Handler handler) {
        return on("DELETE", std::move(pattern), std::move(handler));
    }
    /// Every method.
    Routes& any(std::string pattern, Handler handler) {
        return on({}, std::move(pattern), std::move(handler));
    }
    /// The same answer to everybody.
    Routes& always(std::string pattern, Response response) {
        return get(std::move(pattern),
                   [response = std::move(response)](const Request&) { return response; });
    }
    Routes& file(std::string pattern, std::string path, std::string type) {
        return get(std::move(pattern), [path = std::move(path), type = std::move(type)](
                                           const Request&) { return Response::file(path, type); });
    }

    bool empty() const { return entries_.empty(); }
    /// Nothing when no pattern matches; 405 with Allow when only the method does not.
    std::optional<Response> answer(const Request& request) const {
        std::string allow;
        for (const Entry& entry : entries_) {
            request.params_.clear();
            if (!matches(entry, request)) continue;
            bool head = request.method() == "HEAD" && entry.method == "GET";
            if (entry.method.empty() || head || entry.method == request.method())
                return entry.handler(request);
            allow += (allow.empty() ? "" : ", ") + entry.method;
        }
        request.params_.clear();
        if (allow.empty()) return std::nullopt;
        return Response::text("method not allowed\n", 405).header("allow", allow);
    }

  private:
    struct Entry {
        std::string method;
        std::vector<std::string> segments;
        Handler handler;
        std::string pattern;
    };

    static std::vector<std::string> split(std::string_view pattern) {
        std::vector<std::string> segments;
        while (!pattern.empty()) {
            pattern.remove_prefix(1);  // The slash.
            size_t end = pattern.find('/');
            if (end == std::string_view::npos) end = pattern.size();
            segments.emplace_back(pattern.substr(0, end));
            pattern.remove_prefix(end);
        }
        return segments;
    }

    static bool matches(const Entry& entry, const Request& request) {
        std::string_view path = request.path();
        for (const std::string& segment : entry.segments) {
            if (path.empty()) return false;
            path.remove_prefix(1);
            if (segment == "*") {
                request.params_.emplace_back("*", path);
                return true;
            }
            size_t end = path.find('/');
            if (end == std::string_view::npos) end = path.size();
            std::string_view part = path.substr(0, end);
            path.remove_prefix(end);
            if (segment.size() > 1 && segment[0] == ':') {
                if (part.empty()) return false;
                request.params_.emplace_back(std::string_view(segment).substr(1), part);
            } else if (part != segment) {
                return false;
            }
        }
        return path.empty();
    }

    std::vector<Entry> entries_;
};

namespace detail {

template <typename App, typename = void>
struct HasRoutes : std::false_type {};
template <typename App>
struct HasRoutes<App, std::void_t<decltype(std::declval<App&>().routes())>> : std::true_type {};
template <typename App, typename = void>
struct HasFetch : std::false_type {};
template <typename App>
struct HasFetch<App,
                std::void_t<decltype(std::declval<App&>().fetch(std::declval<const Request&>()))>>
    : std::true_type {};
template <typename App, typename = void>
struct HasAsyncFetch : std::false_type {};
template <typename App>
struct HasAsyncFetch<App,
                     std::void_t<decltype(std::declval<App&>().fetch(std::declval<Responder>()))>>
    : std::true_type {};
template <typename App, typename = void>
struct HasOnIdle : std::false_type {};
template <typename App>
struct HasOnIdle<App, std::void_t<decltype(std::declval<App&>().on_idle())>> : std::true_type {};
template <typename App, typename = void>
struct HasOnTerminate : std::false_type {};
template <typename App>
struct HasOnTerminate<App, std::void_t<decltype(std::declval<App&>().on_terminate())>>
    : std::true_type {};
template <typename App, typename = void>
struct Concurrency : std::integral_constant<unsigned, 1> {};
template <typename App>
struct Concurrency<App, std::void_t<decltype(App::concurrency)>>
    : std::integral_constant<unsigned, App::concurrency> {};

/// An app behind the C table.
template <typename App>
class Bridge {
  public:
    explicit Bridge(App&& app) : app_(std::move(app)) {
        static_assert(HasFetch<App>::value || HasAsyncFetch<App>::value || HasRoutes<App>::value,
                      "an app has `Response fetch(const Request&)`, `void fetch(Responder)` or "
                      "`Routes routes()`");
        if constexpr (HasRoutes<App>::value) routes_ = app_.routes();
        table_.struct_size = sizeof table_;
        table_.concurrency = Concurrency<App>::value;
        table_.self = this;
        table_.on_request = [](void* self, rtw_request* request) { of(self).handle(request); };
        table_.on_progress = nullptr;
        table_.on_idle = [](void* self) { of(self).idle(); };
        table_.on_terminate = [](void* self) { of(self).terminate(); };
    }
    const rtw_app* table() const { return &table_; }

  private:
    static Bridge& of(void* self) { return *static_cast<Bridge*>(self); }

    void handle(rtw_request* handle) {
        bool answered = false;
        bool fine = guarded("handler", [&] {
            Request request(handle);
            if (std::optional<Response> response = find(request)) {
                answered = true;
                detail::answer(handle, *response);
            }
        });
        if (!fine && !answered) {
            api()->respond(handle, 500, nullptr, 0, nullptr, 0);
            return;
        }
        if (answered) return;
        if constexpr (HasAsyncFetch<App>::value) {
            guarded("handler", [&] { app_.fetch(Responder(handle)); });
        } else {
            detail::answer(handle, Response::text("not found\n", 404));
        }
    }

    std::optional<Response> find(const Request& request) {
        if (!routes_.empty())
            if (std::optional<Response> response = routes_.answer(request)) return response;
        if constexpr (HasFetch<App>::value) return app_.fetch(request);
        return std::nullopt;
    }

    void idle() {
        if constexpr (HasOnIdle<App>::value) guarded("on_idle", [&] { app_.on_idle(); });
    }
    void terminate() {
        if constexpr (HasOnTerminate<App>::value)
            guarded("on_terminate", [&] { app_.on_terminate(); });
    }

    App app_;
    Routes routes_;
    rtw_app table_{};
};

}  // namespace detail

/// Runs a program's app until the gateway ends it: `int main() { return serve(App{}); }`. A
/// template, so that modules, which are not linked with the library, do not refer to it.
template <typename App>
int serve(App app) {
    detail::api() = rtw_worker_api();
    detail::Bridge<App> bridge(std::move(app));
    return detail::api()->run(bridge.table());
}

}  // namespace ringtime::worker

namespace ringtime {
using worker::serve;
}

/// Makes a module (.so) of a default-constructible type.
#define RINGTIME_APP(Type)                                                                 \
    extern "C" __attribute__((visibility("default"))) const rtw_app* rtw_module_entry(     \
        const rtw_api* api) {                                                              \
        ringtime::worker::detail::api() = api;                                             \
        static ringtime::worker::detail::Bridge<Type>* bridge = nullptr;                   \
        ringtime::worker::detail::guarded(                                                 \
            "start", [] { bridge = new ringtime::worker::detail::Bridge<Type>(Type{}); }); \
        return bridge ? bridge->table() : nullptr;                                         \
    }
