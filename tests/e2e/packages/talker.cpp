// A worker app that speaks WebSocket: says everything back, and ends when it hears "bye".
#include <ringtime/worker_websocket.hpp>

using namespace ringtime::worker;

struct Talker {
    Response fetch(const Request& request) {
        return websocket(request, [](WebSocket& socket) {
            while (auto message = socket.receive()) {
                if (message->data == "bye") return socket.close(4000, "as you wish");
                if (message->data == "throw") throw std::runtime_error("it was asked for");
                message->binary ? socket.send_binary(message->data) : socket.send(message->data);
            }
        });
    }
};

RINGTIME_APP(Talker)
