/* How the door to the table reads values of Python. */
#ifndef MRFRAME_VALUES_DOOR_H
#define MRFRAME_VALUES_DOOR_H

#include "scan_door.h"
#include "table.h"

/* Adds pairs, or keys and their values, which are lists of one length. Returns the indexes of those that Python must fold,
 * or NULL with an exception. Runs no code of others, and so keeps the GIL. */
PyObject *add_values(table *t, PyObject *keys, PyObject *values);

#endif
