/* The door to the merge, for the module. */
#ifndef MRFRAME_MERGE_DOOR_H
#define MRFRAME_MERGE_DOOR_H

#include "scan_door.h"

PyObject *merge_columns(PyObject *module, PyObject *args);

#endif
