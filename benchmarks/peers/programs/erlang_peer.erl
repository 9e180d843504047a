%% Erlang/OTP: gen_server and supervisor, as its design principles say. Answers the lines of benchmarks/peers/line.py.
-module(erlang_peer).
-behaviour(gen_server). %% and supervisor, whose `init` has the same name
-export([main/0, start_child/1, start_link/0, start_echo/1, init/1, handle_call/3, handle_cast/2]).

-define(AGENTS, 100).
-define(PAYLOAD, #{n => 1, text => <<"hello">>}).

main() ->
    spawn(fun() ->
        process_flag(trap_exit, true),
        Release = erlang:system_info(otp_release),
        io:format("{\"versions\": {\"erlang\": \"~s\"}}~n", [Release]),
        serve()
    end).

serve() ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            [Work, Size] = string:tokens(string:trim(Line), " "),
            Microseconds = work(Work, list_to_integer(Size)),
            io:format("{\"seconds\": ~.9f}~n", [Microseconds / 1.0e6]),
            serve()
    end.

work("ask", Size) ->
    {ok, Echo} = start_echo([]),
    Spent = spent(fun() -> repeat(Size, fun() -> gen_server:call(Echo, ?PAYLOAD) end) end),
    gen_server:stop(Echo),
    Spent;
work("send", Size) ->
    {ok, Echo} = start_echo([]),
    Spent = spent(fun() ->
        repeat(Size, fun() -> gen_server:cast(Echo, ?PAYLOAD) end),
        gen_server:call(Echo, ?PAYLOAD, infinity)
    end),
    gen_server:stop(Echo),
    Spent;
work("crowd", Size) ->
    Echoes = [element(2, start_echo([])) || _ <- lists:seq(1, ?AGENTS)],
    Spent = spent(fun() -> repeat(Size div ?AGENTS, fun() -> at_once(Echoes) end) end),
    [gen_server:stop(Echo) || Echo <- Echoes],
    Spent;
work("start", Size) ->
    {{ok, Above}, Spent} = start_many(Size),
    ended(Above),
    Spent;
work("restart", Size) ->
    %% What a crash logs is no part of it, as with the others.
    logger:set_primary_config(level, none),
    {ok, Above} = supervisor:start_link(?MODULE, {above, Size}),
    Spent = spent(fun() -> repeat(Size, fun crash_and_ask/0) end),
    ended(Above),
    Spent.

start_many(Count) ->
    Started = erlang:monotonic_time(microsecond),
    {ok, Above} = supervisor:start_link(?MODULE, {many, Count}),
    at_once([Echo || {_, Echo, _, _} <- supervisor:which_children(Above)]),
    {{ok, Above}, erlang:monotonic_time(microsecond) - Started}.

ended(Above) ->
    unlink(Above),
    exit(Above, shutdown),
    Reference = monitor(process, Above),
    receive {'DOWN', Reference, _, _, _} -> ok end.

at_once(Echoes) ->
    Requests = [gen_server:send_request(Echo, ?PAYLOAD) || Echo <- Echoes],
    [{reply, _} = gen_server:wait_response(Request, infinity) || Request <- Requests].

crash_and_ask() ->
    catch gen_server:call(fragile, crash),
    ask_again().

%% Nothing holds a call back until the next one is there, so it is made again.
ask_again() ->
    try gen_server:call(fragile, ?PAYLOAD) catch exit:_ -> erlang:yield(), ask_again() end.

spent(Do) ->
    {Microseconds, _} = timer:tc(Do),
    Microseconds.

repeat(0, _) -> ok;
repeat(Times, Do) -> Do(), repeat(Times - 1, Do).

start_echo(Options) -> gen_server:start(?MODULE, echo, Options).
start_link() -> gen_server:start_link(?MODULE, echo, []).
start_child(Name) -> gen_server:start_link({local, Name}, ?MODULE, echo, []).

init({above, Restarts}) ->
    Child = #{id => fragile, start => {?MODULE, start_child, [fragile]}},
    {ok, {#{strategy => one_for_one, intensity => Restarts + 1, period => 3600}, [Child]}};
init({many, Count}) ->
    Start = {?MODULE, start_link, []},
    {ok, {#{strategy => one_for_one}, [#{id => N, start => Start} || N <- lists:seq(1, Count)]}};
init(echo) -> {ok, none}.

handle_call(crash, _, _) -> error(as_told);
handle_call(Payload, _, State) -> {reply, Payload, State}.

handle_cast(_, State) -> {noreply, State}.
