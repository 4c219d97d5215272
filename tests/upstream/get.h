#pragma once
// A core as far as upstreams go, and a request on it: on either ring.

#include <memory>
#include <string>

#include "loop/reactor.h"
#include "net/io.h"
#include "ring/ring.h"
#include "upstream/pool.h"
#include "upstream/session.h"

namespace ringtime::upstream {

inline UpstreamSpec one_server(uint16_t port) {
    UpstreamSpec spec;
    spec.name = "up";
    spec.servers.emplace_back();
    spec.servers[0].host = "127.0.0.1";
    spec.servers[0].port = port;
    return spec;
}

struct OneCore {
    OneCore(unsigned index, Handover& handover) {
        std::string problem;
        ring::RingOptions options;
        options.small_buffers = options.bulk_buffers = 16;
        options.small_buffers_ready = options.bulk_buffers_ready = 16;
        ring = ring::Ring::open(options, problem);
        reactor = std::make_unique<loop::Reactor>(*ring, index);
        io = std::make_unique<net::Io>(*reactor);
        pool = std::make_unique<CorePool>(*io, &handover);
    }

    std::unique_ptr<ring::Ring> ring;
    std::unique_ptr<loop::Reactor> reactor;
    std::unique_ptr<net::Io> io;
    std::unique_ptr<CorePool> pool;
};

/// A GET on one core; `step` is what an exchange does when it is woken.
struct Get final : loop::Runnable {
    Get(OneCore& core, Upstream& upstream) : core_(core) {
        draft_.begin(received_);
        request_.method = "GET";
        request_.method_id = http::Method::get;
        request_.path = "/";
        request_.authority = "up.test";
        request_.fields = &draft_;
        session_ = core.pool->send(upstream, request_, *this);
    }
    ~Get() { leave(); }

    void run() noexcept override {
        if (!session_ || over()) return;
        using Phase = http::Answer::Phase;
        Phase phase = session_->advance();
        failed = phase == Phase::failed;
        if (phase != Phase::headed) return;
        Piece piece;
        while (session_->body().pull(piece, 4096) == http::Pull::data) {
            body += piece.view();
            piece.release();
        }
    }
    [[nodiscard]] bool over() const noexcept { return failed || !body.empty(); }
    void leave() noexcept {
        loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
        if (session_) session_->release();
        session_ = nullptr;
    }

    std::string body;
    bool failed = false;

 private:
    OneCore& core_;
    http::FieldTable received_;
    http::FieldDraft draft_;
    UpstreamRequest request_;
    Session* session_;
};

}  // namespace ringtime::upstream
