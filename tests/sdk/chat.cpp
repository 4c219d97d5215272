// An app of the tests whose answers stay open, as a module and (PROGRAM) with a loop of its own:
//     GET /events      says what is said to all
//     POST /say        says its body to all; answers how many hear it
//     POST /later      the same from another thread, as often as the query's number says
//     GET /fill        so many bytes as the query says, as fast as they are taken
//     POST /echo       its body, as it comes
//     GET /wait        never answered; /waiting: how many wait; /closed: how many readers left
#include <ringtime/worker.hpp>

#include <list>
#include <string>
#include <thread>
#ifdef PROGRAM
#include <poll.h>
#endif
using namespace ringtime::worker;

struct Chat {
    static constexpr unsigned concurrency = 2000;
    Broadcast readers;
    std::list<Responder> waiting;
    std::list<Writer> open;
    unsigned closed = 0;

    void fetch(Responder responder) {
        Request request = responder.request();
        std::string_view path = request.path();
        unsigned long number = request.query().empty()
                                   ? 0
                                   : std::stoul(std::string(request.query()));
        if (path == "/events") return subscribe(responder.start(Response::events()));
        if (path == "/say") return say(std::move(responder));
        if (path == "/later") return say_later(std::move(responder), number);
        if (path == "/fill") return fill(responder.start(Response::text("")), number);
        if (path == "/echo") return echo(responder.start(Response::text("")));
        if (path == "/wait") return wait(std::move(responder));
        unsigned long count = path == "/closed" ? closed : waiting.size();
        responder.answer(Response::text(std::to_string(count)));
    }

    void subscribe(Writer writer) {
        writer.on_closed([this] { ++closed; });
        readers.add(std::move(writer));
    }
    void say(Responder responder) {
        responder.gather(100'000, [this](Responder answer, std::string text) {
            readers.send(text);
            answer.answer(Response::text(std::to_string(readers.size())));
        });
    }
    void say_later(Responder responder, unsigned long times) {
        std::thread([this, times] {
            for (unsigned long i = 0; i < times; ++i)
                post([this, i] { readers.send(std::to_string(i) + "\n"); });
        }).detach();
        responder.answer(Response(204));
    }
    void fill(Writer writer, unsigned long left) {
        auto place = open.insert(open.end(), std::move(writer));
        fill_more(place, left);
    }
    void fill_more(std::list<Writer>::iterator place, unsigned long left) {
        static const std::string block(10'007, 'f');
        while (left > 0) {
            size_t size = std::min<size_t>(left, block.size());
            size_t done = place->write_some(std::string_view(block).substr(0, size));
            left -= done;
            if (done < size)
                return place->on_writable([this, place, left] { fill_more(place, left); });
        }
        place->finish();
        open.erase(place);
    }
    void echo(Writer writer) {
        auto place = open.insert(open.end(), std::move(writer));
        place->on_data([this, place](std::string_view part) {
            if (!part.empty() && place->write(part)) return;
            place->finish();
            open.erase(place);
        });
    }
    void wait(Responder responder) {
        auto place = waiting.insert(waiting.end(), std::move(responder));
        place->on_cancel([this, place] { waiting.erase(place); });
    }
};

#ifdef PROGRAM
int main() {
    Server server{Chat{}};
    pollfd source{server.fd(), POLLIN, 0};
    while (server.process()) poll(&source, 1, -1);
}
#else
RINGTIME_APP(Chat)
#endif
