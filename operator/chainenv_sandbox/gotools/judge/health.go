package main

import (
	"context"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The libraries and the time that Argo CD gives a health check from argocd-cm (useOpenLibs not set); in particular
// there is no string library. Its "os" knows the date alone, and is left out here.
var libraries = []struct {
	name string
	open lua.LGFunction
}{
	{lua.LoadLibName, lua.OpenPackage},
	{lua.BaseLibName, lua.OpenBase},
	{lua.TabLibName, lua.OpenTable},
}

const patience = time.Second

var statuses = map[string]bool{"Unknown": true, "Progressing": true, "Suspended": true, "Healthy": true, "Degraded": true, "Missing": true}

func health(script string) judge {
	return func(object *unstructured.Unstructured) (Verdict, error) {
		state := lua.NewState(lua.Options{SkipOpenLibs: true})
		defer state.Close()
		for _, library := range libraries {
			call := lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}
			if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
				return Verdict{}, err
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		state.SetContext(ctx)
		state.SetGlobal("obj", inLua(state, object.Object))
		if err := state.DoString(script); err != nil {
			return Verdict{}, err
		}
		return returned(state.Get(-1))
	}
}

func returned(value lua.LValue) (Verdict, error) {
	table, ok := value.(*lua.LTable)
	if !ok {
		return Verdict{}, fmt.Errorf("expected a table, not %s", value.Type())
	}
	found := Verdict{}
	var err error
	table.ForEach(func(key, item lua.LValue) {
		switch text, isText := item.(lua.LString); {
		case !isText:
			err = fmt.Errorf("%s is not text", key)
		case key.String() == "status":
			found.Status = string(text)
		case key.String() == "message":
			found.Message = string(text)
		}
	})
	if err == nil && !statuses[found.Status] {
		err = fmt.Errorf("%q is not a health status", found.Status)
	}
	return found, err
}

func inLua(state *lua.LState, value any) lua.LValue {
	switch found := value.(type) {
	case bool:
		return lua.LBool(found)
	case int64:
		return lua.LNumber(found)
	case float64:
		return lua.LNumber(found)
	case string:
		return lua.LString(found)
	case []any:
		list := state.CreateTable(len(found), 0)
		for _, item := range found {
			list.Append(inLua(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(found))
		for key, item := range found {
			table.RawSetString(key, inLua(state, item))
		}
		return table
	}
	return lua.LNil
}
