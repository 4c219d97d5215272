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
//     // int main() { return ringtime::serve(Hello{}); }   a program; it links libringtime_worker
//
// An app is a type with some of these members:
//
//     Response fetch(const Request&)   one answer per call; the whole app is one thread
//     void fetch(Responder)            asynchronous: answer now, later or bit by bit, see
//                                      worker_async.hpp
//     static constexpr unsigned concurrency    requests at once; asynchronous apps choose it
//     Routes routes()                  asked once: a table tried before fetch
//     void on_start()                  before the first request; the app stays where it is from
//                                      here on: threads that refer to it begin here
//     void on_idle(), void on_terminate()
//
// Exceptions that leave a handler become a 500 and a line on stderr. Texts of a Request are
// borrowed: valid until the handler returns its Response, or the Responder was answered.

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ringtime/worker.h"
#include "ringtime/worker_async.hpp"
#include "ringtime/worker_messages.hpp"

namespace ringtime::worker {

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
        if (pattern.empty()) pattern = "/";
        while (!pattern.empty()) {
            if (pattern.front() == '/') pattern.remove_prefix(1);
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
struct HasOnStart : std::false_type {};
template <typename App>
struct HasOnStart<App, std::void_t<decltype(std::declval<App&>().on_start())>> : std::true_type {};
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
        if constexpr (HasAsyncFetch<App>::value)
            table_.on_progress = [](void*, rtw_request* request) { progress(request); };
        table_.on_idle = [](void* self) { of(self).idle(); };
        table_.on_terminate = [](void* self) { of(self).terminate(); };
        if constexpr (HasOnStart<App>::value) app_.on_start();
    }
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;
    const rtw_app* table() const { return &table_; }
    App& app() { return app_; }

  private:
    static void progress(rtw_request* request) {
        if (auto* watcher = static_cast<Watcher*>(api()->context(request)))
            guarded("handler", [&] { watcher->progress(); });
    }
    static Bridge& of(void* self) { return *static_cast<Bridge*>(self); }

    void handle(rtw_request* handle) {
        bool answered = false;
        bool fine = guarded("handler", [&] {
            Request request(handle);
            if (std::optional<Response> response = found_or_refused(request)) {
                answered = true;
                detail::answer(handle, *response);
            }
        });
        if (!fine && !answered) {
            detail::respond_failed(handle);
            return;
        }
        if (answered) return;
        if constexpr (HasAsyncFetch<App>::value) {
            guarded("handler", [&] { app_.fetch(Responder(handle)); });
        } else {
            detail::answer(handle, Response::text("not found\n", 404));
        }
    }

    std::optional<Response> found_or_refused(const Request& request) {
        try {
            return find(request);
        } catch (const StatusError& refused) {
            return Response::text(refused.what() + std::string("\n"), refused.status());
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

/// A program's app in a loop of the program's own: process() whenever fd() is readable, and after
/// writing outside of callbacks. One per process.
template <typename App>
class Server {
  public:
    /// Throws where no gateway has started the process.
    explicit Server(App app) : bridge_((detail::api() = rtw_worker_api(), std::move(app))) {
        if (detail::api()->open(bridge_.table()) != 0)
            throw std::runtime_error("not started by a gateway");
    }
    int fd() const { return detail::api()->fd(); }
    /// Handles what has come, without waiting. False: the process shall end.
    bool process() { return detail::api()->process() != 0; }
    App& app() { return bridge_.app(); }

  private:
    detail::Bridge<App> bridge_;
};

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
