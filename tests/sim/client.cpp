#include "client.h"

#include <algorithm>
#include <utility>

namespace ringtime::sim {

void Planned::add_rest(ring::SimRandom& random, const std::optional<std::string>& upload,
                       bool old) {
    if (random.chance(100)) bytes += "X-Padding: " + std::string(random.below(6000), 'p') + "\r\n";
    if (!upload) {
        bytes += "\r\n";
        return;
    }
    if (random.chance(150) && !old) bytes += "Expect: 100-continue\r\n";
    const bool chunked = !old && random.chance(500);
    bytes += chunked ? "Transfer-Encoding: chunked\r\n\r\n"
                     : "Content-Length: " + std::to_string(upload->size()) + "\r\n\r\n";
    bytes += chunked ? in_chunks(*upload, random.between(1, 3000)) : *upload;
}

void Manners::may_read_slowly(ring::SimRandom& random) {
    if (!random.chance(200)) return;
    read_bytes = random.between(50, 5000);
    read_pause = random.between(1, 20) * kNanosecondsPerMillisecond;
}

Client::Client(ring::SimWorld& world, int listener, std::vector<Planned> plan,
               const Manners& manners)
    : world_(world), peer_(world.connect(listener)), plan_(std::move(plan)), manners_(manners) {
    peer_.read_slowly(manners_.read_bytes, manners_.read_pause);
    peer_.on_change = [this](ring::SimPeer&) { on_change(); };
    if (manners_.reset_after > 0) {
        world_.after(manners_.reset_after, [this] {
            was_reset_ = !done_;
            peer_.reset();
            done_ = true;
        });
    }
    do {
        send_next();
    } while (manners_.pipelines && sent_ < plan_.size());
}

void Client::send_next() {
    peer_.send(plan_[sent_].bytes);
    if (++sent_ == plan_.size() && manners_.half_closes) peer_.half_close();
}

void Client::leave() {
    if (std::exchange(done_, true)) return;
    if (!peer_.broken()) peer_.close();
}

// Follows the answers as they come in, to send the next request or to leave.
void Client::on_change() {
    if (done_) return;
    while (seen_ < sent_) {
        const std::string_view text = std::string_view(peer_.received()).substr(seen_bytes_);
        // Nothing to read yet: looking at every byte of a long answer again and again takes long.
        const bool whole =
            text.size() >= plan_[seen_].body.size() || !text.starts_with("HTTP/1.1 200");
        if (!whole && plan_[seen_].kind == Kind::answer && !peer_.over()) break;
        const Message answer = read_message(text, plan_[seen_].kind, peer_.ended());
        if (answer.state != Message::State::complete) break;
        seen_bytes_ += answer.size;
        if (answer.status / 100 == 1) continue;
        ++seen_;
        if (answer.closes()) break;
        if (seen_ == sent_ && sent_ < plan_.size()) send_next();
    }
    if (seen_ == plan_.size() || peer_.over()) leave();
}

void Client::complain(const std::string& what) {
    std::string plan;
    for (const Planned& planned : plan_)
        plan += "\n  asked: " + planned.bytes.substr(0, planned.bytes.find("\r\n"));
    world_.violate("client, request " + std::to_string(answered_ + 1) + " of " +
                   std::to_string(plan_.size()) + ": " + what + plan + "\n  received " +
                   std::to_string(peer_.received().size()) + " bytes" +
                   (peer_.ended() ? ", FIN" : "") + (peer_.broken() ? ", reset" : "") +
                   (manners_.pipelines ? ", pipelined" : "") +
                   (manners_.half_closes ? ", half-closed" : ""));
}

// True when another answer may follow.
bool Client::judge_answer(const Planned& planned, const Message& answer, bool over) {
    if (answer.state == Message::State::malformed) {
        complain(std::string("malformed answer, ") + answer.problem);
        return false;
    }
    const bool complete = answer.state == Message::State::complete;
    if (!complete && !over) {
        complain("left waiting");
        return false;
    }
    if (!answer.has_head) {
        // Behind an answer that came before the upload was over, the connection may end.
        const bool after_upload = answered_ > 0 && plan_[answered_ - 1].uploads();
        if (planned.must_succeed && !was_reset_ && !after_upload) complain("no answer");
        return false;
    }
    if (answer.status != planned.success) {
        const bool allowed = std::find(planned.failures.begin(), planned.failures.end(),
                                       answer.status) != planned.failures.end();
        if (!allowed) complain("status " + std::to_string(answer.status));
        if (!complete && planned.must_succeed && !was_reset_) complain("cut short");
        return complete && !answer.closes();
    }
    if (answer.field("x-request-id").empty()) complain("an answer without a request id");
    const bool right = complete
                           ? answer.body == planned.body || planned.kind == Kind::answer_to_head
                           : planned.body.starts_with(answer.body);
    if (!right) complain(complete ? "a complete answer with a wrong body" : "wrong bytes");
    // Only a reset tells this kind of answer from a complete one; judged complete above otherwise.
    if (!complete && planned.must_succeed && !was_reset_) complain("cut short");
    return complete && !answer.closes();
}

void Client::judge() {
    std::string_view text = peer_.received();
    const bool over = peer_.over() || was_reset_;
    bool goes_on = true;
    bool told_to_close = false;
    // A later answer that is cut by a reset may take unread earlier ones with it: TCP, not the
    // gateway.
    if (peer_.broken() &&
        !std::all_of(plan_.begin(), plan_.end(), [](auto& p) { return p.must_succeed; }))
        for (Planned& planned : plan_) planned.must_succeed = false;
    for (const Planned& planned : plan_) {
        Message answer;
        do {
            answer = read_message(text, planned.kind, peer_.ended() && !peer_.broken());
            if (answer.state == Message::State::complete) text.remove_prefix(answer.size);
        } while (answer.state == Message::State::complete && answer.status / 100 == 1);
        goes_on = judge_answer(planned, answer, over);
        told_to_close = answer.closes() || planned.ends_connection;
        if (answer.state == Message::State::complete) ++answered_;
        if (answer.state != Message::State::complete) return;
        if (!goes_on) break;
    }
    if (told_to_close && !text.empty()) complain("bytes behind the last answer");
    if (goes_on && !text.empty()) complain("more answers than requests");
}

Crowd::Crowd(ring::SimWorld& world, int listener, size_t count, Milliseconds period,
             std::function<Intent()> make)
    : count_(count), make_(std::move(make)) {
    for (size_t i = 0; i < count; ++i) {
        world.after(world.random().below(period) * kNanosecondsPerMillisecond,
                    [this, &world, listener] {
                        auto [plan, manners] = make_();
                        // Whoever resets the connection has no claim to an answer.
                        for (Planned& planned : plan)
                            if (manners.reset_after > 0) planned.must_succeed = false;
                        clients_.push_back(std::make_unique<Client>(world, listener,
                                                                    std::move(plan), manners));
                    });
    }
}

bool Crowd::done() const noexcept {
    return clients_.size() == count_ &&
           std::all_of(clients_.begin(), clients_.end(), [](auto& each) { return each->done(); });
}

size_t Crowd::judge() {
    size_t answered = 0;
    for (auto& client : clients_) {
        client->judge();
        answered += client->answered();
    }
    return answered;
}

size_t passable_bytes(const ring::SimFaults& faults, size_t most) noexcept {
    if (faults.segment_bytes_max < 1000) most = std::min<size_t>(most, 32'000);
    if (faults.segment_bytes_max < 50) most = std::min<size_t>(most, 6'000);
    if (faults.window_bytes < 1000) most = std::min<size_t>(most, 3'000);
    return most;
}

}  // namespace ringtime::sim
