#include "harness.h"

#include <algorithm>
#include <cstring>

namespace ringtime::worker::test {

Client::Client(CorePool& pool, WorkerRequest request, std::string body)
    : pool_(pool), body_(std::move(body)) {
    table.clear();
    table.base = "";
    draft.begin(table);
    if (!request.fields) request.fields = &draft;
    if (!body_.empty() && request.body_length == 0) request.body_length = body_.size();
    finished_ = request.body_length == 0;
    answer_ = pool.dispatch(request, *this);
    pool_.reactor().wake(*this);
}

Client::~Client() { release(); }

void Client::release() {
    drop_pieces();
    loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
    if (answer_) answer_->release();
    answer_ = nullptr;
}

void Client::finish() {
    hold_body = false;
    body_left = 1;
    pool_.reactor().wake(*this);
}

void Client::drop_pieces() {
    for (Piece& piece : pieces) piece.release();
    pieces.clear();
}

void Client::end(Error error) {
    error_ = error;
    done_ = true;
}

void Client::send_body() {
    if (hold_body) return;
    http::BodySink* sink = answer_->request_body();
    uint32_t room;
    while (!finished_ && (sent_ < body_.size() || body_left > 0) && (room = sink->room()) > 0) {
        static const std::string filler(65536, 'y');
        bool generated = body_left > 0;
        const char* from = generated ? filler.data() : body_.data() + sent_;
        size_t left =
            generated ? std::min<uint64_t>(body_left, filler.size()) : body_.size() - sent_;
        auto size = static_cast<uint32_t>(std::min<size_t>(left, room));
        if (use_reserve) {
            char* out = sink->reserve(size);
            if (!out) break;
            std::memcpy(out, from, size);
            sink->commit(size);
        } else {
            sink->push({.data = from, .size = size});
        }
        if (generated)
            body_left -= size;
        else
            sent_ += size;
    }
    if (finished_ || sent_ < body_.size() || body_left > 0) return;
    finished_ = true;
    sink->finish();
}

void Client::read_body() {
    for (;;) {
        Piece piece;
        switch (answer_->body().pull(piece, pull_max)) {
            case http::Pull::pending:
                return;
            case http::Pull::end:
                return end({});
            case http::Pull::failed:
                return end(answer_->body().error());
            case http::Pull::data:
                break;
        }
        received_bytes += piece.size;
        if (keep_bytes) received.append(piece.view());
        if (hold_pieces)
            pieces.push_back(piece);
        else
            piece.release();
    }
}

void Client::run() noexcept {
    if (done_ || !answer_) return;
    http::Answer::Phase phase = answer_->advance();
    if (phase == http::Answer::Phase::failed) return end(answer_->error());
    send_body();
    if (phase == http::Answer::Phase::interim) answer_->take_interim();
    if (phase != http::Answer::Phase::headed) return;
    if (status_ == 0) {
        const http::ResponseHead& head = answer_->head();
        status_ = head.status;
        for (unsigned i = 0; i < head.fields.size(); ++i)
            field_text += std::string(head.fields.name(head.fields[i])) + ": " +
                          std::string(head.fields.value(head.fields[i])) + "\n";
    }
    read_body();
}

bool all_done(const Clients& clients) {
    return std::all_of(clients.begin(), clients.end(), [](const auto& c) { return c->done(); });
}

World::World(std::vector<AppSpec> apps, std::function<void(SupervisorOptions&)> change) {
    SupervisorOptions options;
    options.host_path = WORKER_HOST;
    if (change) change(options);
    std::string problem;
    supervisor_ = std::make_unique<Supervisor>(options);
    if (!supervisor_->start(std::move(apps), problem)) ADD_FAILURE() << problem;
    ring_ = ring::Ring::open({}, problem);
    if (!ring_) ADD_FAILURE() << problem;
    reactor_ = std::make_unique<loop::Reactor>(*ring_, 0);
    pool_ = std::make_unique<CorePool>(*reactor_, *supervisor_);
}

World::~World() { close(); }

void World::close() {
    if (!pool_) return;
    pool_->close();
    EXPECT_TRUE(until([&] { return pool_->closed(); })) << "links were kept";
    pool_.reset();
    supervisor_->stop(1000);
    supervisor_.reset();
    reactor_.reset();
    ring_.reset();
}

bool World::until(const std::function<bool()>& condition, uint64_t milliseconds) {
    Nanoseconds deadline = monotonic_now() + from_milliseconds(milliseconds);
    while (!condition()) {
        if (monotonic_now() >= deadline) return false;
        supervisor_->poll_once(0);
        reactor_->turn(kNanosecondsPerMillisecond);
    }
    return true;
}

WorkerRequest World::request(std::string_view path, std::string_view query, http::Method method) {
    WorkerRequest request;
    request.method = method;
    request.method_text = http::method_name(method);
    request.path = path;
    request.query = query;
    request.host = "example.test";
    request.base = "/app";
    request.peer = "192.0.2.1";
    request.request_id = "r-1";
    return request;
}

std::unique_ptr<Client> World::fetch(WorkerRequest request, std::string body) {
    auto client = std::make_unique<Client>(*pool_, request, std::move(body));
    EXPECT_TRUE(until([&] { return client->done(); })) << "no answer to " << request.path;
    return client;
}

std::unique_ptr<Client> World::unfinished(uint32_t app) {
    WorkerRequest asked = request("/count", {}, http::Method::post);
    asked.app = app;
    asked.body_length = 1;
    auto client = std::make_unique<Client>(*pool_, asked);
    client->hold_body = true;
    return client;
}

uint32_t World::in_flight() const {
    uint32_t sum = 0;
    for (const WorkerView& view : supervisor_->workers()) sum += view.in_flight;
    return sum;
}

AppSpec program_app(const char* name) {
    AppSpec app;
    app.name = name;
    app.directory = APP_DIRECTORY;
    app.entrypoint = std::string(APP_DIRECTORY) + "/" + name;
    app.kind = EntryKind::program;
    return app;
}

AppSpec module_app(const char* name) {
    AppSpec app = program_app(name);
    app.entrypoint = std::string(APP_DIRECTORY) + "/" + name + ".so";
    app.kind = EntryKind::module;
    return app;
}

AppSpec plain_app() { return program_app("plain"); }

}  // namespace ringtime::worker::test
