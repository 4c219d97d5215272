#include "exchange/http_client.h"

#include <algorithm>
#include <cstring>

#include "base/shared_bytes.h"
#include "hook/plugin.h"
#include "http/draft.h"
#include "http/head.h"
#include "http/syntax.h"
#include "upstream/look_up.h"
#include "upstream/session.h"

namespace ringtime::exchange {

using http::Pull;

/// A server, as all fetches to it share it.
struct HttpClient::Origin {
    HttpClient* client = nullptr;
    std::string host;
    uint16_t port = 0;
    std::shared_ptr<upstream::Upstream> upstream;  // tidy: allow(data-path) as pools want it
    Nanoseconds fresh_until = 0;
    Nanoseconds asked_at = 0;
    unsigned calls = 0;  ///< Under way.
    bool looking_up = false;
    struct LookUp : hook::HelperTask {
        Origin* origin = nullptr;
    } look_up;
};

namespace {

/// Copies text one piece after another; the views stay where they are.
class TextBuilder {
 public:
    explicit TextBuilder(size_t size) { text_.reserve(size); }
    std::string_view add(std::string_view part) {
        size_t at = text_.size();
        text_ += part;
        return part.data() ? std::string_view(text_.data() + at, part.size()) : std::string_view{};
    }

 private:
    std::string text_;
};

ringtime_slice to_slice(std::string_view text) noexcept { return {text.data(), text.size()}; }

}  // namespace

class HttpClient::Call final : public loop::Runnable {
 public:
    Call(HttpClient& owner, hook::PluginCore& caller, Origin& server, size_t text_bytes)
        : client(owner), plugin(caller), origin(server), text(text_bytes) {
        membership.call = this;
        ++origin.calls;
        timer.owner = this;
        timer.on_expire = [](loop::Timer& expired) noexcept {
            auto& call = *static_cast<Call*>(expired.owner);
            call.end(RINGTIME_MISSING, Reason::upstream_timeout);
        };
    }
    ~Call() {
        if (answer) answer->release();
        if (body) body->drop();
        client.io_.reactor.disarm(timer);
        loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
        membership.unlink();
        --client.count_;
        --plugin.outstanding;
        --origin.calls;
    }

    void run() noexcept override;
    /// Tells the plugin, and is gone.
    void end(ringtime_status result, Reason reason) noexcept;

    Membership membership;
    HttpClient& client;
    hook::PluginCore& plugin;
    Origin& origin;
    TextBuilder text;  ///< What the request's views point to.
    http::FieldTable nothing;
    http::FieldDraft fields;
    upstream::UpstreamRequest request;
    SharedBytes* body = nullptr;
    uint64_t answer_bytes_max = body_default;
    ringtime_fetched done = nullptr;
    void* user = nullptr;
    http::Answer* answer = nullptr;  ///< Null while the name is looked up.
    loop::Timer timer;

 private:
    void send_body() noexcept;
    /// False: no more can be done now, or it is over.
    [[nodiscard]] bool take_head() noexcept;
    void take_body() noexcept;

    size_t body_sent_ = 0;
    bool body_finished_ = false;
    bool headed_ = false;
    uint16_t status_ = 0;
    std::string head_text_;
    std::vector<ringtime_field_line> lines_;
    std::string received_;
};

HttpClient::HttpClient(net::Io& io, upstream::CorePool& upstreams, hook::HookCore& hooks)
    : io_(io), upstreams_(upstreams), hooks_(hooks) {
    hooks.attach(*this);
}

HttpClient::~HttpClient() {
    // Cancelled when their plugins were closed; what is left has nobody to tell.
    each_call([](Call& call) { delete &call; });
    for (auto& origin : origins_) {
        // A name server that does not answer holds a helper, which looks at this until it does.
        if (origin->looking_up) (void)origin.release();
    }
}

/// Calls may end while they are visited.
template <typename Visit>
void HttpClient::each_call(Visit&& visit) noexcept {
    for (Membership* member = calls_.front(); member;) {
        Membership* next = calls_.next(*member);
        visit(*member->call);
        member = next;
    }
}

// --- Servers ---

HttpClient::Origin* HttpClient::origin_of(const FetchUrl& url) {
    for (auto& known : origins_) {
        if (known->host != url.host || known->port != url.port) continue;
        known->asked_at = io_.reactor.now();
        return known.get();
    }
    if (origins_.size() == origins_max && !make_room()) return nullptr;
    auto made = std::make_unique<Origin>();
    made->client = this;
    made->asked_at = io_.reactor.now();
    made->host = url.host;
    made->port = url.port;
    upstream::UpstreamSpec spec;
    spec.name = "fetch " + made->host;
    upstream::ServerSpec server;
    server.host = made->host;
    server.port = url.port;
    server.authority = url.authority;
    spec.servers.push_back(std::move(server));
    spec.ejection.enabled = false;  // There is no other server to go to.
    // tidy: allow(data-path) once per server
    made->upstream = std::make_shared<upstream::Upstream>(std::move(spec));
    origins_.push_back(std::move(made));
    return origins_.back().get();
}

// False when all of them are in use, or too many are still being closed.
bool HttpClient::make_room() {
    auto gone = [&](const auto& origin) { return upstreams_.forget(*origin->upstream); };
    std::erase_if(leaving_, gone);
    auto oldest = origins_.end();
    for (auto at = origins_.begin(); at != origins_.end(); ++at) {
        bool idle = (*at)->calls == 0 && !(*at)->looking_up;
        if (idle && (oldest == origins_.end() || (*at)->asked_at < (*oldest)->asked_at))
            oldest = at;
    }
    if (oldest == origins_.end() || leaving_.size() == origins_max) return false;
    if (!gone(*oldest)) leaving_.push_back(std::move(*oldest));
    origins_.erase(oldest);
    return true;
}

bool HttpClient::look_up(Origin& origin) noexcept {
    upstream::Server& server = origin.upstream->server(0);
    if (!server.needs_resolving()) return true;
    Nanoseconds now = io_.reactor.now();
    bool known = server.addresses() != nullptr;
    if (origin.looking_up || (known && now < origin.fresh_until)) return known;
    // One look-up at a time, and each hands back to the core before the next: the server's
    // addresses have one writer.
    origin.look_up.origin = &origin;
    origin.look_up.core = &hooks_;
    origin.look_up.work = [](hook::HelperTask& task) noexcept {
        Origin& mine = *static_cast<Origin::LookUp&>(task).origin;
        upstream::look_up(mine.upstream->server(0));
    };
    origin.look_up.done = [](hook::HelperTask& task) noexcept {
        Origin& mine = *static_cast<Origin::LookUp&>(task).origin;
        mine.client->found(mine);
    };
    origin.looking_up = hooks_.helpers().submit(origin.look_up);
    return known;
}

void HttpClient::found(Origin& origin) noexcept {
    origin.looking_up = false;
    origin.fresh_until = io_.reactor.now() + from_milliseconds(name_fresh_ms);
    each_call([&](Call& call) {
        if (&call.origin == &origin && !call.answer) send(call);
    });
}

// --- Calls ---

ringtime_status HttpClient::fetch(hook::PluginCore& plugin, const ringtime_fetch& request,
                                  ringtime_fetched done, void* user) noexcept {
    FetchUrl url;
    std::string_view method = hook::to_view(request.method);
    if (method.empty()) method = "GET";
    if (!url.parse(hook::to_view(request.url)) || !http::is_token(method) ||
        request.body_bytes_max > body_most)
        return RINGTIME_INVALID;
    size_t size = method.size() + request.url.size + 1;
    for (size_t i = 0; i < request.field_count; ++i) {
        const ringtime_field_line& line = request.fields[i];
        ringtime_status refused = hook::check_line(hook::to_view(line.name),
                                                   hook::to_view(line.value));
        if (refused != RINGTIME_OK) return refused;
        size += line.name.size + line.value.size;
    }
    if (request.field_count > limits::edits_max || size > limits::head_bytes_max ||
        count_ == calls_max)
        return RINGTIME_LIMIT;
    Origin* origin = origin_of(url);
    if (!origin) return RINGTIME_LIMIT;

    auto call = std::make_unique<Call>(*this, plugin, *origin, size);
    calls_.push_back(call->membership);
    ++count_;
    ++plugin.outstanding;
    call->request.method = call->text.add(method);
    call->request.method_id = http::intern_method(method);
    call->request.path = call->text.add(url.path);
    call->request.query = call->text.add(url.query);
    call->request.authority = call->text.add(url.authority);
    call->request.body_length = request.body.size;
    call->nothing.base = "";
    call->fields.begin(call->nothing);
    for (size_t i = 0; i < request.field_count; ++i) {
        std::string_view name = call->text.add(hook::to_view(request.fields[i].name));
        (void)call->fields.add(name, call->text.add(hook::to_view(request.fields[i].value)));
    }
    call->request.fields = &call->fields;
    if (request.body.size > 0) {
        call->body = SharedBytes::make(request.body.size);
        if (!call->body) return RINGTIME_LIMIT;
        std::memcpy(call->body->bytes(), request.body.data, request.body.size);
    }
    if (request.body_bytes_max) call->answer_bytes_max = request.body_bytes_max;
    call->done = done;
    call->user = user;
    Milliseconds time = request.timeout_ms ? request.timeout_ms : timeout_default_ms;
    io_.reactor.arm(call->timer, io_.reactor.now() + from_milliseconds(time));
    Call& started = *call.release();
    if (look_up(*origin)) {
        send(started);
    } else if (!origin->looking_up) {
        // No helper takes the look-up: told like any other failure, not from inside this call.
        io_.reactor.wake(started);
    }
    return RINGTIME_OK;
}

void HttpClient::send(Call& call) noexcept {
    if (call.origin.upstream->server(0).addresses())
        call.answer = upstreams_.send(*call.origin.upstream, call.request, call);
    io_.reactor.wake(call);
}

void HttpClient::cancel(hook::PluginCore& plugin) noexcept {
    each_call([&](Call& call) {
        if (&call.plugin == &plugin) call.end(RINGTIME_GONE, Reason::none);
    });
}

void HttpClient::Call::end(ringtime_status result, Reason reason) noexcept {
    ringtime_fetch_answer shown{};
    shown.struct_size = sizeof shown;
    shown.result = result;
    shown.reason = reason == Reason::none ? ringtime_slice{} : to_slice(describe(reason).name);
    if (result == RINGTIME_OK) {
        shown.status = status_;
        shown.field_count = static_cast<uint32_t>(lines_.size());
        shown.fields = lines_.data();
        shown.body = to_slice(received_);
    }
    plugin.call(hook::Hook::fetch, [&] { done(user, &shown); });
    delete this;
}

void HttpClient::Call::send_body() noexcept {
    http::BodySink* sink = answer->request_body();
    if (!sink || body_finished_) return;
    std::string_view bytes = body ? body->view() : std::string_view{};
    while (body_sent_ < bytes.size()) {
        uint32_t room = sink->room();
        if (room == 0) return;
        std::string_view part = bytes.substr(body_sent_, room);
        sink->push(body->piece(part));
        body_sent_ += part.size();
    }
    body_finished_ = true;
    sink->finish();
}

void HttpClient::Call::run() noexcept {
    if (!answer) return end(RINGTIME_MISSING, Reason::upstream_connect);
    send_body();
    while (!headed_) {
        if (!take_head()) return;
    }
    take_body();
}

bool HttpClient::Call::take_head() noexcept {
    switch (answer->advance()) {
        case http::Answer::Phase::waiting:
            send_body();
            return false;
        case http::Answer::Phase::interim: answer->take_interim(); return true;
        case http::Answer::Phase::failed:
            end(RINGTIME_MISSING, answer->error().reason);
            return false;
        case http::Answer::Phase::headed: break;
    }
    headed_ = true;
    const http::ResponseHead& head = answer->head();
    status_ = head.status;
    size_t size = 0;
    for (unsigned i = 0; i < head.fields.size(); ++i)
        size += head.fields.name(head.fields[i]).size() + head.fields.value(head.fields[i]).size();
    head_text_.reserve(size);
    auto keep = [&](std::string_view part) {
        size_t at = head_text_.size();
        head_text_ += part;
        return ringtime_slice{head_text_.data() + at, part.size()};
    };
    for (unsigned i = 0; i < head.fields.size(); ++i) {
        ringtime_slice name = keep(head.fields.name(head.fields[i]));
        lines_.push_back({name, keep(head.fields.value(head.fields[i]))});
    }
    return true;
}

void HttpClient::Call::take_body() noexcept {
    http::BodySource& source = answer->body();
    for (;;) {
        Piece piece;
        switch (source.pull(piece, UINT32_MAX)) {
            case Pull::pending: return;
            case Pull::data: {
                bool fits = received_.size() + piece.size <= answer_bytes_max;
                if (fits) received_ += piece.view();
                piece.release();
                if (!fits) return end(RINGTIME_LIMIT, Reason::none);
                break;
            }
            case Pull::end: return end(RINGTIME_OK, Reason::none);
            case Pull::failed: return end(RINGTIME_MISSING, source.error().reason);
        }
    }
}

}  // namespace ringtime::exchange
