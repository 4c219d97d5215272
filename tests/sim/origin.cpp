#include "origin.h"

#include <string>

#include "http_text.h"

namespace ringtime::sim {

Origin::Origin(ring::SimWorld& world, uint16_t port, Ledger& ledger)
    : world_(world), ledger_(ledger) {
    world.serve(port, [this](ring::SimPeer& peer) {
        peer.on_change = [this](ring::SimPeer& changed) { on_change(changed); };
    });
}

// `tag` counts the bytes of requests already answered.
void Origin::on_change(ring::SimPeer& peer) {
    for (;;) {
        const std::string_view text = std::string_view(peer.received()).substr(peer.tag);
        if (peer.broken()) return;
        if (text.empty()) {
            if (peer.ended()) peer.close();
            return;
        }
        const Message request = read_message(text, Kind::request, peer.ended());
        if (request.state == Message::State::malformed)
            return world_.violate(std::string("the gateway sent an upstream ") + request.problem);
        if (!request.has_head) {
            if (peer.ended()) peer.close();
            return;
        }
        const std::string target = request.first_line.substr(request.first_line.find(' ') + 1);
        const uint64_t id = query_number(target, "id", 0);
        const auto fault = static_cast<OriginFault>(query_number(target, "fault", 0));
        if (request.first_line.starts_with("POST") &&
            ledger_.emplace(id, &peer).first->second != &peer)
            return world_.violate("a request that must not be repeated was sent twice");
        if (fault == OriginFault::deaf) return peer.stop_reading();
        const std::string& expected = expected_body(id, query_number(target, "upload", 0));
        if (!expected.starts_with(request.body))
            return world_.violate("an upstream received other bytes than the client sent");
        if (fault == OriginFault::before_body && peer.tag != UINT64_MAX) {
            answer(peer, id, target, request.first_line[0] != 'H');
            peer.on_change = nullptr;
            peer.close();
            return;
        }
        const bool early = fault == OriginFault::early;
        if (early && answered_early_.emplace(&peer, id).second) {
            answer(peer, id, target, request.first_line[0] != 'H');
            if (!peer.on_change) return;
        }
        if (request.state != Message::State::complete) {
            // The client gave up, or the gateway did; nobody expects an answer.
            if (peer.ended()) peer.close();
            return;
        }
        if (request.body != expected)
            return world_.violate("an upstream received a body that ended early as a complete one");
        peer.tag += request.size;
        ++requests_;
        if (!early) answer(peer, id, target, request.first_line[0] != 'H');
        if (!peer.on_change) return;
    }
}

// Asked for with every segment of an upload: made once.
const std::string& Origin::expected_body(uint64_t id, size_t size) {
    std::string& body = bodies_[id];
    if (body.size() != size) body = body_of(id, size);
    return body;
}

void Origin::drip(ring::SimPeer& peer) {
    if (peer.over()) return peer.close();
    peer.send("4\r\ndrip\r\n");
    world_.after(kNanosecondsPerSecond, [this, &peer] { drip(peer); });
}

void Origin::answer(ring::SimPeer& peer, uint64_t id, std::string_view target, bool has_body) {
    const auto fault = static_cast<OriginFault>(query_number(target, "fault", 0));
    const auto how = static_cast<Framed>(query_number(target, "how", 0));
    const std::string body = body_of(id + 1, query_number(target, "size", 0));
    const auto leave = [&peer](auto way) {
        peer.on_change = nullptr;
        (peer.*way)();
    };
    switch (fault) {
        case OriginFault::no_answer: return leave(&ring::SimPeer::close);
        case OriginFault::reset_early: return leave(&ring::SimPeer::reset);
        case OriginFault::silence:
            peer.on_change = [](ring::SimPeer& silent) {
                if (silent.ended()) silent.close();
            };
            return;
        case OriginFault::garbage: peer.send("SSH-2.0-not a web server\r\n\r\n"); return;
        case OriginFault::interim:
            peer.send("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n");
            break;
        case OriginFault::none:
        case OriginFault::early:
        case OriginFault::cut_by_fin:
        case OriginFault::cut_by_reset:
        case OriginFault::before_body:
        case OriginFault::deaf: break;
        case OriginFault::drip:
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            return drip(peer);
    }
    std::string text = "HTTP/1.1 200 OK\r\nserver: origin\r\n";
    const std::string coded = how == Framed::chunked ? in_chunks(body, 1 + id * 37 % 5000) : body;
    if (how == Framed::length) text += "content-length: " + std::to_string(body.size()) + "\r\n";
    if (how == Framed::chunked) text += "transfer-encoding: chunked\r\n";
    // Said aloud: who closes a connection that looks reusable makes the next request fail.
    if (how == Framed::until_close || fault == OriginFault::before_body)
        text += "connection: close\r\n";
    text += "\r\n";
    const bool cut = fault == OriginFault::cut_by_fin || fault == OriginFault::cut_by_reset;
    if (has_body) text += cut ? coded.substr(0, coded.size() / 2) : coded;
    peer.send(text);
    if (cut && fault == OriginFault::cut_by_reset) {
        world_.after(world_.latency(), [&peer] { peer.reset(); });
        peer.on_change = nullptr;
    } else if (cut || how == Framed::until_close) {
        leave(&ring::SimPeer::close);
    }
}

}  // namespace ringtime::sim
