// Shows what the gateway logs: the latest entries by query, and all that follow as a stream of
// events. What is asked for is looked up on a helper thread; the log itself comes on one of the
// gateway's own.

#include <ringtime/plugin.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../shared/bearer.h"
#include "../shared/helped.h"
#include "ring.h"

namespace {

using ringtime::Verdict;

/// Entries that a client which comes again may have missed; more than wait for it by default.
constexpr size_t kMissedMost = 50;

class Logs {
 public:
    explicit Logs(ringtime::Context& context)
        : readers_(context.string("token")),
          ring_(static_cast<size_t>(context.integer("entries", 1000)),
                static_cast<size_t>(context.integer("megabytes", 4)) * 1024 * 1024) {
        context.route<&Logs::list>("GET", "/", this);
        context.route<&Logs::follow>("GET", "/events", this);
        context.tap_log<&Logs::heard>(this);
        channel_ = context.channel("logs");
    }

    Verdict on_resume(ringtime::Request& request, uint64_t value) {
        auto found = Helped::take(value);
        if (!found) return Verdict::failed;
        if (found->form == Form::stream) return stream(request, found->entries);
        std::string page = "{\"entries\":[";
        for (const Entry& entry : found->entries) {
            if (page.back() != '[') page += ",\n";
            page += entry.json();
        }
        page += "]}\n";
        return request.respond_owned(
            200, std::move(page),
            {{"content-type", "application/json"}, {"cache-control", "no-store"}});
    }
    void on_resume_late(uint64_t value) { (void)Helped::take(value); }

 private:
    enum class Form { page, stream };
    struct Found {
        Form form = Form::page;
        std::vector<Entry> entries;
    };
    using Helped = shared::Helped<Found>;

    Verdict list(ringtime::Request& request) {
        if (!readers_.lets_in(request)) return shared::Bearer::refuse(request);
        Filter filter;
        std::string problem;
        if (!filter.parse(request.query(), problem))
            return request.refuse(400, "bad_request", problem);
        return look_up(request, Form::page, std::move(filter));
    }

    // A client that comes again says what it saw last, and gets what it has missed first.
    Verdict follow(ringtime::Request& request) {
        if (!readers_.lets_in(request)) return shared::Bearer::refuse(request);
        Filter filter;
        std::string problem;
        std::string_view last = request.field("last-event-id");
        if (!last.data()) return stream(request, {});
        if (!filter.parse("after=" + std::string(last), problem)) return stream(request, {});
        filter.limit = kMissedMost;
        return look_up(request, Form::stream, std::move(filter));
    }

    Verdict look_up(ringtime::Request& request, Form form, Filter filter) const {
        return Helped::make(request, [this, form, wanted = std::move(filter)] {
            return Found{form, ring_.find(wanted)};
        });
    }

    Verdict stream(ringtime::Request& request, const std::vector<Entry>& missed) const {
        std::vector<std::string> texts;
        std::vector<std::string> ids;
        for (const Entry& entry : missed) {
            texts.push_back(entry.json());
            ids.push_back(std::to_string(entry.id));
        }
        std::vector<ringtime::Event> first;
        for (size_t i = 0; i < texts.size(); ++i)
            first.emplace_back(texts[i], name_of(missed[i]), ids[i]);
        return request.events(channel_, {}, first);
    }

    void heard(const ringtime::LogEntry& entry) {
        Entry kept = ring_.add(entry);
        if (channel_.counts().subscribers > 0)
            channel_.publish(ringtime::Event(kept.json(), name_of(kept), std::to_string(kept.id)));
    }

    static std::string_view name_of(const Entry& entry) {
        return entry.kind == RINGTIME_LOG_ACCESS ? "access" : "event";
    }

    shared::Bearer readers_;
    Ring ring_;
    ringtime::Channel channel_;
};

}  // namespace

RINGTIME_PLUGIN(Logs)
