/*
 * The word and the line of a Fifo semaphore: src/semaphore/word.rs, line.rs and
 * queue.rs, written down a second time, by their protocol and not from their code.
 *
 * Each step that others can see is one step here: a read-modify-write of the word, a
 * load of it, a figure that is published, the lock. What happens under the lock
 * between two of them is merged with the next. Memory is sequentially consistent:
 * orderings are for loom and for proof/litmus.
 *
 * Every request here ends or waits, so a cycle of states would be a call that goes on for
 * ever. `run` looks for one too: there is none, however unfair the schedule is.
 *
 * Tickets are places in `order`, which no one ever leaves but for good. How a ticket
 * and `served` tell a verdict is not modelled: `told` stands for it.
 *
 * -D options: USERS, ROUNDS (requests of each), RESIZES, LEAST and MOST (what max may
 * become), MAX (at first), WEIGHT (largest request), CANCELS, REPOLLS, FORGETS, CLOSES,
 * WATCHERS, MANY (wakers that one critical section may grant).
 * BUG_... plants a mistake; `run` lists them. TRACE allows only what a trace has, `trace.h`.
 */

#ifndef USERS
#define USERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef RESIZES
#define RESIZES 1
#endif
#ifndef LEAST
#define LEAST 0
#endif
#ifndef MOST
#define MOST 2
#endif
#ifndef MAX
#define MAX 1
#endif
#ifndef WEIGHT
#define WEIGHT 2
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef REPOLLS
#define REPOLLS 0
#endif
#ifndef FORGETS
#define FORGETS 0
#endif
#ifndef CLOSES
#define CLOSES 0
#endif
#ifndef WATCHERS
#define WATCHERS 0
#endif
#ifndef MANY
#define MANY 2
#endif

#define NONE 255
#define NOBODY 254

/* The word. */
byte taken = 0;
byte max = MAX;
bool queued = false;
bool closed = false;

/* The lock, and what it guards. */
bool locked = false;
byte order[USERS];
byte length = 0;
mtype:place = { OUT, LINE, ASIDE };
mtype:place place[USERS] = OUT;
/* Told at the end of the critical section. */
mtype:verdict = { WAITING, GRANTED, CLOSED };
mtype:verdict staged[USERS] = WAITING;
/* Which of a waiter's wakers is registered. */
bit waker[USERS];

/* Published. */
byte aside_count = 0;
mtype:verdict told[USERS] = WAITING;
byte woken[USERS]; /* a bit for each waker */
byte watch_count[2];
bool listening[2];
bool notified[2];

/* Ghosts: what the checks know, and no step looks at. */
byte need[USERS];
byte owned[USERS];
bool keeps[USERS]; /* for ever */
bool returns[USERS]; /* aside, until a growth that has come lets it rejoin */

#ifndef TRACE
#define PROVIDED
#define WORD skip
#define UNLOCK locked = false
#else
byte at = 0; /* So many events of the trace have happened. */
byte actor;
bool changes = false; /* Who has the lock changes something. */
bool refused = false; /* The model has done something else. */
bool accepted = false;
mtype:place beside = ASIDE; /* C does not know the name. */

#define PROVIDED provided (!refused)
/* The word may have been changed. */
#define WORD actor = me; c_code { see_word(); }
#define UNLOCK d_step { actor = me; c_code { see_line(); }; locked = false; changes = false }

c_code {
    \#include "trace.h"

    int is_line(struct seen *seen)
    {
        int line[PLACES][3] = { { 0 } }, i;
        for (i = 0; i < now.length; i++) {
            line[i][0] = now.order[i];
            line[i][1] = now.need[now.order[i]];
            line[i][2] = now.place[now.order[i]] == now.beside;
        }
        return now.length == seen->length && !memcmp(line, seen->line, sizeof line);
    }

    void see_word(void)
    {
        int word[4] = { now.taken, now.max, now.queued, now.closed };
        struct seen *event = next(now.at, now.actor, USERS, 'W');
        /* Not only when the lock is let go: there is no point in going on. */
        if (!now.changes && !is_line(&seen[now.at]))
            now.refused = 1;
        if (!memcmp(word, seen[now.at].word, sizeof word))
            return;
        if (event && !memcmp(word, event->word, sizeof word))
            now.at++;
        else
            now.refused = 1;
    }

    void see_line(void)
    {
        struct seen *event = next(now.at, now.actor, USERS, 'L');
        if (is_line(&seen[now.at]))
            return;
        if (event && now.changes && is_line(event))
            now.at++;
        else
            now.refused = 1;
    }
}
#endif

#define fits(n) (taken + (n) <= max)
#define too_large(n) ((n) > max && max > 0)
#define settled (taken <= max)
#define met(goal) (goal == 0 && taken <= max || goal == 1 && taken == 0)

/* What the word, the line and the ghosts must always be. In the steps that grant. */
inline check_grant(who, in_line) {
    assert(taken <= max);
    assert(owned[who] == need[who]);
    /* Nobody passes one that stands in line before it, or is about to do so again. */
    k = 0;
    do
    :: k < length && order[k] != who ->
        assert(place[order[k]] != LINE);
        assert(!in_line || need[order[k]] > max);
        assert(!returns[order[k]] || need[order[k]] > max);
        k++
    :: else -> break
    od;
    k = 0;
}

#ifndef TRACE
#define enter_lock() atomic { !locked -> locked = true }
#define is_woken (woken[me] & (1 << newest))
#define may_cancel atomic { cancels > 0 -> cancels-- }
#else
/* Wakers are not in traces: everybody looks when it likes. */
#define is_woken true
#define may_cancel true
/* One who takes the lock to change something does so next, or changes nothing. */
#define enter_lock() atomic { \
        !locked -> locked = true; actor = me; \
        c_code { now.changes = next(now.at, now.actor, USERS, 'K') != NULL; }; \
        if \
        :: changes -> at++ \
        :: changes = false \
        fi \
    }
#endif

/* Local in what follows: f, k, a, r, wakes, n_wakes, more, m, b, seen. */

inline find_front() {
    f = NONE;
    k = 0;
    do
    :: k < length && place[order[k]] == LINE -> f = order[k]; break
    :: k < length && place[order[k]] != LINE -> k++
    :: else -> break
    od;
    k = 0;
}

/* The smallest request aside, or NONE. */
inline find_least_aside() {
    a = NONE;
    k = 0;
    do
    :: k < length ->
        if
        :: place[order[k]] == ASIDE && need[order[k]] < a -> a = need[order[k]]
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
}

inline count_line() {
    b = 0;
    k = 0;
    do
    :: k < length ->
        if
        :: place[order[k]] == LINE -> b++
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
}

inline count_aside() {
    b = 0;
    k = 0;
    do
    :: k < length ->
        if
        :: place[order[k]] == ASIDE -> b++
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
}

/* Those aside whom `limit` allows are in line again. Sets `any`. */
inline line_rejoin(limit) {
    any = false;
    k = 0;
    do
    :: k < length ->
        if
        :: place[order[k]] == ASIDE && need[order[k]] <= limit ->
            place[order[k]] = LINE;
            returns[order[k]] = false;
            any = true
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
}

inline take_out(who) {
    k = 0;
    do
    :: order[k] == who -> break
    :: else -> k++
    od;
    do
    :: k + 1 < length -> order[k] = order[k + 1]; k++
    :: else -> break
    od;
    length--;
    order[length] = 0;
    place[who] = OUT;
    returns[who] = false;
    k = 0;
}

inline publish() {
    d_step {
        count_aside();
        aside_count = b;
        b = 0;
    }
    d_step {
        k = 0;
        do
        :: k < USERS ->
            if
            :: staged[k] != WAITING -> told[k] = staged[k]; staged[k] = WAITING
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0;
    }
}

inline leave_lock_and_wake() {
#ifdef TRACE
    d_step { wakes = 0; n_wakes = 0 }
    UNLOCK;
#else
    locked = false;
    d_step {
        k = 0;
        do
        :: k < USERS ->
            if
            :: wakes & (1 << k) -> woken[k] = woken[k] | (1 << waker[k])
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0;
        wakes = 0;
        n_wakes = 0;
    }
#endif
}

/* With the lock taken. `me` holds `returned` permits that it gives back, or is NOBODY. */
inline serve() {
    /* Rejoin. */
    d_step {
        count_aside();
        m = NONE;
        if
        :: b > 0 -> m = max
        :: else
        fi;
        b = 0;
    }
    if
    :: m != NONE ->
#ifndef BUG_REJOIN_WITHOUT_QUEUED
        d_step {
            line_rejoin(m);
            if
            :: any -> queued = true; WORD
            :: else
            fi;
            any = false;
            m = 0;
        }
#else
        d_step { line_rejoin(m); any = false; m = 0; }
#endif
    :: else -> m = 0
    fi;
    more = false;
    do
    ::  d_step {
            find_front();
            find_least_aside();
            r = CONTINUE;
            if
            :: f == NONE ->
                /* The line is empty: the last permits go back with the clear. */
                taken = taken - returned;
                if
                :: returned > 0 -> owned[me] = 0
                :: else
                fi;
                returned = 0;
#ifndef BUG_CLEAR_WITHOUT_LOCK
                queued = false;
#endif
                r = DONE
            :: f != NONE && n_wakes == MANY ->
                if
                :: too_large(need[f]) -> r = STEP_ASIDE
                :: else -> r = AGAIN
                fi
            :: else ->
                count_line();
                if
                :: closed -> r = GIVE_BACK
#ifndef BUG_GRANT_PAST_ASIDE
                :: !closed && a != NONE && a <= max -> r = REJOIN
                :: !closed && (a == NONE || a > max) && too_large(need[f]) -> r = STEP_ASIDE
                :: !closed && (a == NONE || a > max) && !too_large(need[f]) ->
#else
                :: !closed && too_large(need[f]) -> r = STEP_ASIDE
                :: !closed && !too_large(need[f]) ->
#endif
                    if
                    :: taken - returned + need[f] <= max ->
                        taken = taken - returned + need[f];
                        if
                        :: returned > 0 -> owned[me] = 0
                        :: else
                        fi;
                        returned = 0;
                        assert(owned[f] == 0);
                        owned[f] = need[f];
                        check_grant(f, true);
                        take_out(f);
                        staged[f] = GRANTED;
#ifndef BUG_NO_WAKE
                        wakes = wakes | (1 << f);
#endif
                        n_wakes++;
                        if
                        :: b == 1 ->
#ifndef BUG_CLEAR_TOO_LATE
                            queued = false;
#endif
                            r = DONE
                        :: else -> r = LOOK
                        fi
                    :: else -> r = GIVE_BACK
                    fi
                fi;
                b = 0
            fi;
            f = (r == STEP_ASIDE -> f : NONE);
            a = 0;
            WORD
        }
        if
        :: r == DONE ->
            break
        :: r == AGAIN -> more = true; break
        :: r == CONTINUE
        :: r == LOOK ->
            /* Whoever frees a permit comes here, so the next one is not looked at, not even
               whether it needs more than max. */
            d_step { r = (taken < max -> CONTINUE : DONE) }
            if
            :: r == DONE -> break
            :: else
            fi
        :: r == REJOIN -> d_step { line_rejoin(max); any = false }
        :: r == STEP_ASIDE ->
            d_step { place[f] = ASIDE; f = NONE; count_aside(); aside_count = b; b = 0 }
#ifndef WITHOUT_LOOK_OF_STEP_ASIDE
#ifdef BUG_REJOIN_TOO_EARLY
            d_step { line_rejoin(max + 1); any = false }
#else
            d_step { line_rejoin(max); any = false }
#endif
#endif
        :: r == GIVE_BACK ->
#ifndef BUG_LOSE_WHAT_IS_LEFT
            d_step {
                taken = taken - returned;
                if
                :: returned > 0 -> owned[me] = 0
                :: else
                fi;
                WORD
            }
#endif
            returned = 0;
            break
        fi
    od;
    r = CONTINUE;
    f = NONE;
    /* Nobody learns that the line has gone before the word says so. */
    d_step {
        find_front();
#ifndef BUG_CLEAR_WITHOUT_LOCK
        assert(f != NONE || !queued);
#endif
        seen = (f == NONE);
        f = NONE;
    }
    publish();
#ifdef BUG_CLEAR_TOO_LATE
    if
    :: seen -> queued = false
    :: else
    fi;
#endif
    leave_lock_and_wake();
#ifdef BUG_CLEAR_WITHOUT_LOCK
    if
    :: seen -> queued = false
    :: else
    fi;
#endif
    seen = false;
}

/* Those who watch are told. */
inline notify() {
    goal = 0;
    do
    :: goal < 2 ->
        if
        :: watch_count[goal] > 0 ->
            d_step {
                if
                :: met(goal) && listening[goal] -> notified[goal] = true; listening[goal] = false
                :: else
                fi
            }
        :: else
        fi;
        goal++
    :: else -> break
    od;
    goal = 0;
}

inline hand_over() {
    do
    ::  enter_lock();
        serve();
        if
        :: more -> more = false
        :: else -> break
        fi
    od;
#if WATCHERS
    notify();
#endif
}

#define is_watched (watch_count[0] > 0 || watch_count[1] > 0)

/* Gives `owned[me]` back. `handed` says that it looks before it writes. */
inline release() {
    seen = false;
    if
    :: handed ->
        if
        :: queued -> seen = true
        :: else
        fi
    :: else
    fi;
    if
    :: seen ->
        seen = false;
        returned = owned[me];
        hand_over()
    :: else ->
        d_step {
            r = CONTINUE;
            taken = taken - owned[me];
            if
#ifndef BUG_IGNORE_QUEUED
            :: queued -> r = AGAIN
#endif
            :: !queued && (taken == 0 || settled && taken + owned[me] > max) -> r = DONE
            :: else
            fi;
            owned[me] = 0;
            WORD
        }
        if
        :: r == AGAIN -> r = CONTINUE; hand_over()
#if WATCHERS && !defined(BUG_NO_NOTIFY)
        :: r == DONE -> r = CONTINUE;
            if
            :: is_watched -> notify()
            :: else
            fi
#endif
        :: else -> r = CONTINUE
        fi
    fi;
}

inline forget() {
    d_step {
        taken = taken - owned[me];
        max = (max > owned[me] -> max - owned[me] : 0);
        owned[me] = 0;
        seen = queued;
        WORD
    }
    if
    :: seen || aside_count > 0 || is_watched -> seen = false; hand_over()
    :: else -> seen = false
    fi;
}

mtype:step = { CONTINUE, DONE, AGAIN, LOOK, REJOIN, STEP_ASIDE, GIVE_BACK };

#define LOCALS \
    byte f = NONE; byte k = 0; byte a = 0; byte b = 0; byte m = 0; byte n_wakes = 0; \
    byte wakes = 0; byte returned = 0; bool more = false; bool any = false; \
    bool seen = false; byte goal = 0; mtype:step r = CONTINUE; bool handed = false

proctype user(byte me) PROVIDED {
    LOCALS;
    byte rounds = 0;
    byte cancels = CANCELS;
    byte repolls = REPOLLS;
    bit newest = 0;

#ifdef TRACE
    d_step { c_code { now.need[Puser->me] = needs[Puser->me]; } }
#else
    atomic {
        need[me] = 1;
        do
        :: need[me] < WEIGHT -> need[me]++
        :: break
        od
    }
#endif
    do
    :: rounds < ROUNDS ->
        handed = false;
        /* By the word alone. */
        d_step {
            r = CONTINUE;
            if
            :: closed -> r = DONE
            :: else ->
                if
                :: !queued && fits(need[me]) ->
                    taken = taken + need[me];
                    assert(owned[me] == 0);
                    owned[me] = need[me];
                    check_grant(me, false);
                    WORD;
                    r = AGAIN
                :: else
                fi
            fi
        }
        if
        :: r == DONE -> r = CONTINUE; goto over
        :: r == AGAIN -> r = CONTINUE; goto has
        :: else
        fi;
        /* In line. */
        enter_lock();
        do
        ::  d_step {
                count_line();
                if
                :: b > 0 ->
                    order[length] = me; length++; place[me] = LINE;
                    r = DONE
                :: else ->
                    if
                    :: closed -> r = GIVE_BACK
                    :: !closed && too_large(need[me]) -> r = STEP_ASIDE
#ifndef BUG_QUEUE_WITHOUT_LOOK
                    :: !closed && !too_large(need[me]) && fits(need[me]) ->
                        taken = taken + need[me];
                        assert(owned[me] == 0);
                        owned[me] = need[me];
                        check_grant(me, false);
                        r = AGAIN
                    :: !closed && !too_large(need[me]) && !fits(need[me]) ->
#else
                    :: !closed && !too_large(need[me]) ->
#endif
                        queued = true;
                        order[length] = me; length++; place[me] = LINE;
                        r = DONE
                    fi
                fi;
                b = 0;
                WORD
            }
            if
            :: r == STEP_ASIDE ->
                d_step { count_aside(); aside_count = b + 1; b = 0 }
#ifndef BUG_ASIDE_WITHOUT_LOOK
                d_step {
                    if
                    :: too_large(need[me]) && !closed ->
#endif
                        order[length] = me; length++; place[me] = ASIDE;
                        r = DONE
#ifndef BUG_ASIDE_WITHOUT_LOOK
                    :: else -> r = CONTINUE
                    fi
                }
                if
                :: r == DONE -> break
                :: else
                fi
#else
                ; break
#endif
            :: else -> break
            fi
        od;
        publish();
        UNLOCK;
        if
        :: r == AGAIN -> r = CONTINUE; handed = true; goto has
        :: r == GIVE_BACK -> r = CONTINUE; goto over
        :: r == DONE -> r = CONTINUE
        fi;
        /* It waits. */
end_waits:
        do
        :: told[me] == GRANTED && is_woken -> handed = true; break
        :: told[me] == CLOSED && is_woken -> break
        :: repolls > 0 && !woken[me] ->
            /* Polled with another waker. */
            repolls--;
            if
            :: told[me] != WAITING -> handed = true; break
            :: else ->
                newest = 1;
                enter_lock();
                if
                :: place[me] != OUT -> waker[me] = newest; UNLOCK
                :: else ->
                    UNLOCK;
#ifndef BUG_REGISTER_TOO_LATE
                    assert(told[me] != WAITING);
                    handed = true; break
#endif
                fi
            fi
        :: may_cancel ->
            if
            :: told[me] == GRANTED -> handed = true; break
            :: told[me] == CLOSED -> break
            :: else ->
                enter_lock();
                if
                :: place[me] != OUT ->
                    d_step {
                        find_front();
                        seen = (f == me);
                        f = NONE;
                        take_out(me);
                        WORD
                    }
#ifndef BUG_CANCEL_SERVES_NOBODY
                    if
                    :: seen -> seen = false;
                        serve();
                        if
                        :: more -> more = false; hand_over()
                        :: else
#if WATCHERS
                            -> notify()
#endif
                        fi
                    :: else -> publish(); UNLOCK
                    fi;
#else
                    seen = false;
                    publish(); UNLOCK;
#endif
                    goto over
                :: else ->
                    UNLOCK;
                    assert(told[me] != WAITING);
#ifdef BUG_CANCEL_KEEPS
                    goto over
#endif
                    handed = (told[me] == GRANTED); break
                fi
            fi
        od;
        skip;
        d_step {
            handed = (told[me] == GRANTED);
            if
            :: told[me] == GRANTED -> assert(owned[me] == need[me])
            :: else -> assert(owned[me] == 0)
            fi
        }
        if
        :: told[me] == CLOSED -> goto over
        :: else
        fi;
has:
        if
        :: release()
#ifndef TRACE
        :: keeps[me] = true; goto stop
#endif
#if FORGETS
        :: me == 0 -> forget()
#endif
        fi;
over:   skip;
        d_step {
            told[me] = WAITING;
            woken[me] = 0;
            waker[me] = 0;
            newest = 0;
            handed = false;
            rounds++
        }
    :: else -> break
    od;
stop:
    skip
}

proctype resizer() PROVIDED {
    LOCALS;
    byte me = NOBODY;
    byte left = RESIZES;
    byte to = 0;
    do
    :: left > 0 ->
        left--;
        atomic {
            to = LEAST;
            do
            :: to < MOST -> to++
            :: break
            od
        }
        if
        :: aside_count > 0 ->
            enter_lock();
            d_step {
                find_least_aside();
                max = to;
#ifndef BUG_RESIZE_WITHOUT_QUEUED
                if
                :: a <= max -> queued = true
                :: else
                fi;
#endif
                WORD;
                a = 0;
                k = 0;
                do
                :: k < length -> returns[order[k]] = (place[order[k]] == ASIDE); k++
                :: else -> break
                od;
                k = 0;
                count_aside();
                m = (b > 0 -> 1 : 0);
                b = 0;
            }
            if
            :: m == 1 ->
                m = max;
                d_step {
                    line_rejoin(m);
                    if
                    :: any -> queued = true; WORD
                    :: else
                    fi;
                    any = false;
                    m = 0;
                }
            :: else -> m = 0
            fi;
            publish();
            UNLOCK;
            hand_over()
        :: else ->
            d_step { max = to; seen = queued; WORD }
#ifdef BUG_RESIZER_LOOKS_AT_QUEUED_ONLY
            if
            :: seen -> seen = false; hand_over()
            :: else -> seen = false
            fi
#else
            if
            :: seen || aside_count > 0 || is_watched -> seen = false; hand_over()
            :: else -> seen = false
            fi
#endif
        fi
    :: else -> break
    od
}

proctype closer() PROVIDED {
    LOCALS;
    byte me = NOBODY;
#ifdef TRACE
    /* Where nobody has ever waited there is no lock to take. */
    if
    :: enter_lock(); d_step { closed = true; WORD }; UNLOCK
    :: d_step { closed = true; WORD }
    fi;
#else
    closed = true;
#endif
    do
    ::  enter_lock();
        d_step {
            more = false;
            do
            :: n_wakes < MANY ->
                /* First those in line, then those aside. */
                find_front();
                if
                :: f == NONE && length > 0 -> f = order[0]
                :: else
                fi;
                if
                :: f == NONE -> queued = false; WORD; break
                :: else ->
                    take_out(f);
                    staged[f] = CLOSED;
                    wakes = wakes | (1 << f);
                    n_wakes++
                fi
            :: else -> more = true; break
            od;
            f = NONE;
        }
        publish();
        leave_lock_and_wake();
        if
        :: more
        :: else -> break
        fi
    od
}

/* One for each goal. */
proctype watcher(byte mine) {
    listening[mine] = true;
    watch_count[mine]++;
#ifndef BUG_WATCH_WITHOUT_LOOK
    if
    :: met(mine) -> goto gone
    :: else
    fi;
#endif
end_watches:
    do
    :: notified[mine] ->
        notified[mine] = false;
        if
        :: met(mine) -> goto gone
        :: else
        fi;
        listening[mine] = true;
        if
        :: met(mine) -> goto gone
        :: else
        fi
    od;
gone:
    watch_count[mine]--;
    d_step { listening[mine] = false; notified[mine] = false }
}

#ifdef TRACE
proctype reader() PROVIDED {
    d_step { c_expr { now.at == events } -> accepted = true }
    assert(!accepted)
}
#endif

/* When nobody can move any more: is that right? */
proctype judge() {
    byte k = 0;
    byte f = NONE;
    byte sum = 0;
    timeout ->
    d_step {
        assert(!locked);
        find_front();
        assert(queued == (f != NONE));
        if
        :: f != NONE ->
            /* It waits for permits that are not there, and for nothing else. */
            assert(!closed);
            assert(!fits(need[f]));
            assert(!too_large(need[f]) || taken >= max)
        :: else
        fi;
        k = 0;
        do
        :: k < USERS ->
            assert(keeps[k] || told[k] == WAITING && staged[k] == WAITING);
            if
            :: place[k] == ASIDE -> assert(need[k] > max && !closed)
            :: else
            fi;
            assert(owned[k] == 0 || keeps[k]);
            sum = sum + owned[k];
            k++
        :: else -> break
        od;
        assert(taken == sum);
        assert(watch_count[0] == 0 || !met(0));
        assert(watch_count[1] == 0 || !met(1));
    }
}

init {
    atomic {
        byte i = 0;
        do
        :: i < USERS -> run user(i); i++
        :: else -> break
        od;
#if RESIZES
        run resizer();
#endif
#if CLOSES
        run closer();
#endif
#if WATCHERS
        run watcher(0);
        run watcher(1);
#endif
#ifdef TRACE
        c_code { read_trace(USERS, MAX); };
        run reader()
#else
        run judge()
#endif
    }
}
