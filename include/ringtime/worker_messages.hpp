#pragma once
// What a worker app hears and says, for worker.hpp: Request, Response, and the streams whose calls
// wait for the other side.

#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
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

/// Thrown by a handler: what the client gets instead of an answer, not a fault of the app.
class StatusError : public std::runtime_error {
  public:
    StatusError(unsigned status, const std::string& text)
        : std::runtime_error(text), status_(status) {}
    unsigned status() const { return status_; }

  private:
    unsigned status_;
};

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
    /// The whole body. Of more than `limit` bytes it is refused: 413.
    std::string text(size_t limit = 16 * 1024 * 1024) const {
        std::string all;
        for (std::string_view part; !(part = read()).empty();) {
            if (all.size() + part.size() > limit)
                throw StatusError(413, "the request's body is too large");
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
    /// Server-sent events: `producer` writes `data: ...\n\n` and flushes. Without one it is a head
    /// for Responder::start().
    static Response events() {
        return Response().header("content-type", "text/event-stream")
            .header("cache-control", "no-store");
    }
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

/// The fields of a head as the C table wants them.
class FieldList {
  public:
    explicit FieldList(const std::vector<Header>& headers) : count_(headers.size()) {
        if (count_ > on_stack) many_.resize(count_);
        rtw_header* out = count_ > on_stack ? many_.data() : few_;
        data_ = out;
        for (const auto& [name, value] : headers) *out++ = {text(name), text(value)};
    }
    FieldList(const FieldList&) = delete;
    FieldList& operator=(const FieldList&) = delete;
    const rtw_header* data() const { return data_; }
    size_t size() const { return count_; }

  private:
    static constexpr size_t on_stack = 16;
    rtw_header few_[on_stack];
    std::vector<rtw_header> many_;
    const rtw_header* data_;
    size_t count_;
};

inline bool has_no_body(const Request& request, unsigned status) {
    return request.method() == "HEAD" || status == 204 || status == 304;
}

/// Allocates nothing: what went wrong may be that nothing could be allocated.
inline void respond_failed(rtw_request* handle) {
    static const char name[] = "content-type", type[] = "text/plain; charset=utf-8";
    static const char text[] = "The application failed.\n";
    const rtw_header field = {{name, sizeof name - 1}, {type, sizeof type - 1}};
    api()->respond(handle, 500, &field, 1, text, sizeof text - 1);
}

inline void answer(rtw_request* handle, const Response& response) {
    FieldList fields(response.headers);
    if (!response.stream && !response.tunnel) {
        api()->respond(handle, response.status, fields.data(), fields.size(),
                       response.body.data(), response.body.size());
        return;
    }
    bool silent = has_no_body(Request(handle), response.status);
    if (api()->start(handle, response.status, fields.data(), fields.size(),
                     response.length.value_or(RTW_UNKNOWN_LENGTH)) != 0) {
        respond_failed(handle);
        return;
    }
    Socket stream(handle);
    try {
        if (response.tunnel) {
            response.tunnel(stream);
        } else if (!silent) {  // Nobody would hear it, and it may know no end.
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

}  // namespace ringtime::worker
