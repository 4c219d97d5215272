// Asks the gateway for everything it does for plugins, one route each.
#include <ringtime/plugin.hpp>

#include <atomic>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using ringtime::Token;
using ringtime::Verdict;

class Butler {
 public:
    explicit Butler(ringtime::Context& context) : context_(context) {
        context.route<&Butler::metrics>("GET", "/metrics", this);
        context.route<&Butler::log>("GET", "/log", this);
        context.route<&Butler::mood>("GET", "/mood", this);
        on_config(context);
        context.route<&Butler::say>("POST", "/say/:what", this);
        context.route<&Butler::thread>("GET", "/thread", this);
        context.route<&Butler::fetch>("GET", "/fetch/:port/*", this);
        context.route<&Butler::post>("GET", "/post/:port/:size", this);
        context.route<&Butler::events>("GET", "/events", this);
        context.route<&Butler::publish>("POST", "/publish/:count", this);
        context.route<&Butler::well>("POST", "/well/:state", this);
        context.route_with_body<&Butler::echo>("POST", "/echo", 100'000, this);
        context.probe<&Butler::is_well>("mood", true, std::chrono::milliseconds(50), this);
        context.metrics<&Butler::count>(this);
        context.tap_log<&Butler::heard>(this);
        ringtime_channel_options options{};
        options.heartbeat_ms = 100;
        channel_ = context.channel("news", options);
        context.route<&Butler::chat>("GET", "/chat", this);
        context.route<&Butler::shout>("POST", "/shout/:size", this);
        ringtime_endpoint_options limits{};
        limits.ping_ms = static_cast<uint32_t>(context.integer("ping", 30'000));
        limits.message_bytes_max = 100'000;
        limits.queue_bytes_max = 200'000;
        endpoint_ = context.endpoint("chat", this, limits);
    }

    // Once when it is made, then whenever only the configuration changed.
    void on_config(ringtime::Context& context) {
        std::string_view mood = context.string("mood", "none");
        if (mood == "bad") throw std::runtime_error("not in that mood");
        std::lock_guard lock(lock_);
        mood_ = std::string(mood);
        ++moods_;
    }

    // What a fetch or a helper came to travels as a string that on_resume takes over.
    Verdict on_resume(ringtime::Request& request, uint64_t value) {
        std::unique_ptr<std::string> text(reinterpret_cast<std::string*>(value));
        return request.respond_owned(200, std::move(*text));
    }
    void on_resume_late(uint64_t value) { delete reinterpret_cast<std::string*>(value); }

    // Sockets: what they say comes back; some words are orders. Their state is the client's name.
    void on_open(ringtime_socket socket, void* state) {
        endpoint_.send(socket, "welcome " + *static_cast<std::string*>(state));
    }
    void on_message(const ringtime::Message& message) {
        if (message.data == "close me") {
            endpoint_.close(message.socket, 4321, "as you wish");
        } else if (message.data == "from a thread") {
            std::thread([this, socket = message.socket] {
                endpoint_.send(socket, "from afar");
            }).detach();
        } else if (message.data == "throw") {
            throw std::runtime_error("on purpose");
        } else if (message.binary) {
            endpoint_.send_binary(message.socket, message.data);
        } else {
            endpoint_.send(message.socket, message.data);
        }
    }
    void on_close(ringtime_socket, void* state, uint16_t code, std::string_view reason) {
        std::unique_ptr<std::string> name(static_cast<std::string*>(state));
        context_.info("socket " + *name + " closed " + std::to_string(code) + " " +
                      std::string(reason));
    }

 private:
    static void give(const Token& token, std::string text) {
        auto* kept = new std::string(std::move(text));
        if (!token.resume(reinterpret_cast<uint64_t>(kept))) delete kept;
    }

    Verdict metrics(ringtime::Request& request) {
        std::string page;
        context_.each_metric([&](const ringtime::Metric& metric) {
            page += ringtime::text(metric.name);
            for (size_t i = 0; i < metric.label_count; ++i) {
                page += i ? "," : "{";
                page += ringtime::text(metric.labels[i].name);
                page += "=";
                page += ringtime::text(metric.labels[i].value);
            }
            if (metric.label_count) page += "}";
            uint64_t in_buckets = 0;
            for (size_t i = 0; metric.bounds && i <= metric.bound_count; ++i)
                in_buckets += metric.buckets[i];
            if (metric.kind == RINGTIME_METRIC_HISTOGRAM)
                page += " in buckets " + std::to_string(in_buckets) + " of";
            double value =
                metric.kind == RINGTIME_METRIC_HISTOGRAM ? static_cast<double>(metric.count)
                                                         : metric.value;
            page += " " + std::to_string(static_cast<uint64_t>(value)) + "\n";
        });
        return request.respond_owned(200, std::move(page));
    }
    void count(const ringtime::MetricWriter& writer) {
        writer.counter("butler.heard", "Log entries heard", static_cast<double>(heard_.load()),
                       {{"by", "the butler"}});
        if (!context_.boolean("odd")) return;
        // What a reader of the page must not be spoilt by.
        for (int twice = 0; twice < 2; ++twice)
            writer.gauge("butler.odd", "says \"it\"\nso", 0.5,
                         {{"what", "a\"b\\c\nd\xff\xc3\xa9"}, {"x.y", "1"}, {"x_y", "2"}});
        writer.gauge("butler.odd", "", std::numeric_limits<double>::infinity(), {{"what", "inf"}});
        writer.counter("butler.odd_total", "a counter", 1);
        writer.gauge("butler.odd.total", "not a counter any more", 2);
    }

    void heard(const ringtime::LogEntry& entry) {
        ++heard_;
        context_.info("a tap may log without hearing itself");
        std::lock_guard lock(lock_);
        log_ += std::to_string(entry.kind) + " " + std::to_string(entry.status) + " [" +
                std::string(ringtime::text(entry.source)) + "] " +
                std::string(ringtime::text(entry.text)) + "\n";
    }
    Verdict log(ringtime::Request& request) {
        std::lock_guard lock(lock_);
        return request.respond(200, log_);
    }
    Verdict mood(ringtime::Request& request) {
        std::lock_guard lock(lock_);
        return request.respond(200, mood_ + " " + std::to_string(moods_) + "\n");
    }
    void say(ringtime::Request& request) { context_.warn(request.parameter("what")); }

    Verdict thread(ringtime::Request& request) {
        auto here = std::this_thread::get_id();
        Token token = request.pause(std::chrono::seconds(20));
        bool fine = request.query() == "fine";
        auto work = [here, fine] {
            if (!fine) throw std::runtime_error("not fine");
            return here != std::this_thread::get_id();
        };
        auto done = [token, here](std::optional<bool> elsewhere) {
            bool back = here == std::this_thread::get_id();
            give(token, std::string(elsewhere ? *elsewhere ? "elsewhere" : "here" : "threw") +
                            (back ? " and back\n" : " and lost\n"));
        };
        return request.on_core().run(work, done) ? Verdict::paused : Verdict::failed;
    }

    Verdict fetch(ringtime::Request& request) {
        return ask(request, ringtime::Fetch(url_of(request, request.parameter("*"))), {});
    }
    Verdict post(ringtime::Request& request) {
        std::string url = url_of(request, "upload");
        std::string body(std::stoul(std::string(request.parameter("size"))), 'b');
        ringtime::Fetch what(url);
        what.method = "POST";
        return ask(request, what, body);
    }
    Verdict ask(ringtime::Request& request, ringtime::Fetch what, std::string_view body) {
        std::string url(what.url);  // A temporary of the caller until now.
        what.url = url;
        what.body = body;
        what.lines = {{"x-from", "butler"}};
        what.timeout = std::chrono::milliseconds(request.query() == "hurry" ? 200 : 20'000);
        what.body_bytes_max = 200'000;
        Token token = request.pause(std::chrono::seconds(25));
        bool taken = request.on_core().fetch(what, [token](const ringtime::FetchAnswer& answer) {
            if (!answer)
                return give(token, std::to_string(answer.result()) + " " +
                                       std::string(answer.reason()) + "\n");
            give(token, std::to_string(answer.status()) + " " +
                            std::string(answer.field("x-test")) + " " +
                            std::to_string(answer.body().size()) + " " +
                            std::string(answer.body().substr(0, 40)) + "\n");
        });
        return taken ? Verdict::paused : request.respond(400, "not taken\n");
    }
    static std::string url_of(ringtime::Request& request, std::string_view path) {
        // Every address of 127.0.0.0/8 is this machine, and a server of its own.
        bool named = request.query().substr(0, 4) != "127.";
        return "http://" + std::string(named ? "localhost" : request.query()) + ":" +
               std::string(request.parameter("port")) + "/" + std::string(path);
    }

    Verdict events(ringtime::Request& request) {
        if (request.query() == "missed") {
            std::vector<ringtime::Event> missed(500, ringtime::Event("one more"));
            missed.emplace_back("that is all");
            return request.events(channel_, {}, missed);
        }
        return request.events(channel_, {{"x-kind", "news"}},
                              {ringtime::Event("welcome\nin two lines", "hello", "7")});
    }
    Verdict publish(ringtime::Request& request) {
        unsigned long count = std::stoul(std::string(request.parameter("count")));
        std::string data = "news " + std::string(request.query());
        for (unsigned long i = 0; i < count; ++i) channel_.publish(data);
        ringtime_channel_counts counts = channel_.counts();
        return request.respond(200, std::to_string(counts.subscribers) + " " +
                                        std::to_string(counts.dropped) + "\n");
    }

    Verdict chat(ringtime::Request& request) {
        bool speaks = request.field("sec-websocket-protocol") == "butler.v1";
        auto name = std::make_unique<std::string>(request.query());
        return request.websocket(endpoint_, std::move(name), speaks ? "butler.v1" : "",
                                 {{"x-kind", "chat"}});
    }
    Verdict shout(ringtime::Request& request) {
        std::string text(std::stoul(std::string(request.parameter("size"))), 's');
        endpoint_.broadcast(text);
        return request.respond(200, std::to_string(endpoint_.counts().open) + " " +
                                        std::to_string(endpoint_.counts().dropped) + "\n");
    }

    Verdict well(ringtime::Request& request) {
        well_ = request.parameter("state") == "yes";
        return request.respond(200, "noted\n");
    }
    bool is_well() const { return well_; }

    Verdict echo(ringtime::Request& request) { return request.respond(200, request.body()); }

    ringtime::Context& context_;
    ringtime::Channel channel_;
    ringtime::Endpoint endpoint_;
    std::atomic<uint64_t> heard_{0};
    std::atomic<bool> well_{true};
    std::mutex lock_;
    std::string mood_;
    unsigned moods_ = 0;
    std::string log_;
};

}  // namespace

RINGTIME_PLUGIN(Butler)
